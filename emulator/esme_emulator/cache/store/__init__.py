"""Stores of readings: in memory, in an SQLite file, on a Valkey or Redis server."""
