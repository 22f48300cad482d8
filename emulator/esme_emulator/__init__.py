"""Emulated ESMEs, the reading cache that protects them, and the proof of its worth."""
