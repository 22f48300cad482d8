"""Faults on demand: what makes meters misbehave, by rules, the same in every run."""
