"""Scenarios: the requests of a proof or a load, their parties and their times."""
