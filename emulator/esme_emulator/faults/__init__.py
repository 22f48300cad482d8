"""Faults on demand: rules that make meters misbehave, the same way in every run."""
