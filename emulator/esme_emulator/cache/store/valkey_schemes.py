"""Schemes of a store's URL that name a Valkey or Redis server. Data alone, without the client."""

SCHEMES = ("valkey", "redis", "valkeys", "rediss")
"""Those that end in s speak TLS."""
