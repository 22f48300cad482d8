"""Where readings are kept: in memory, in SQLite, on a Valkey or Redis server."""
