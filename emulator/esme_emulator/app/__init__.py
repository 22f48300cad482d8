"""The composition root: which parts make up what a user runs."""
