"""Measurements: `python -m benchmarks`. Never part of the tests."""
