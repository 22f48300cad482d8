"""Proofs: run a scenario directly and through the cache, and compare the two runs."""
