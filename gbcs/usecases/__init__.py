"""Use cases: build and read the messages of one kind."""
