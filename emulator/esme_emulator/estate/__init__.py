"""Which meters, keys and parties there are."""
