"""The kinds of faults, one a file; `faults/registry.py` lists them."""
