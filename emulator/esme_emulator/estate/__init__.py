"""Meters, keys and parties."""
