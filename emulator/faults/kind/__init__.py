"""The kinds of faults, one a file; `emulator/faults/registry.py` lists them."""
