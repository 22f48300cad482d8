"""Use cases: what a message of one kind asks or answers, built and read."""
