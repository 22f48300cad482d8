"""The kinds of faults, one a file; `emulator/esme_emulator/faults/registry.py` lists them."""
