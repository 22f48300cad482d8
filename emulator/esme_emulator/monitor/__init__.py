"""The running parts as data, for the live view and the control interface."""
