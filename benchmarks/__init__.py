"""Measurements. Run them with `python -m benchmarks`; they are not part of the tests."""
