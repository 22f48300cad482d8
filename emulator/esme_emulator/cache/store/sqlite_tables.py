"""Tables and statements of a store in SQLite. Data alone.

Every part of a key is a column of its own, as `Key` names it. `expires` and `until` are seconds of
the machine's monotonic clock, `received` is a Unix time.

The SQL needs SQLite 3.24 only, since Python uses the SQLite of the system: RHEL 8 has 3.26 and RHEL
9 has 3.34. So it uses no STRICT tables (3.37) and no RETURNING (3.35), and upserts name their
columns (3.35). Columns without a type store each value unchanged; "ANY" would turn digits into
numbers.
"""

from esme_emulator.cache.entry import Key
from esme_emulator.cache.store.base import CONSIDERED, ENTRY_OCTETS, OPENED

COLUMNS = ", ".join(f'"{name}"' for name in Key._fields)
PLACES = ", ".join("?" for _ in Key._fields)
IS_KEY = " AND ".join(f'"{name}" = ?' for name in Key._fields)
IS_ALIKE = " AND ".join(f'"{name}" = ?' for name in Key._fields if name not in ("start", "end"))

SCHEMA = f"""
CREATE TABLE readings (
    {COLUMNS.replace(",", " NOT NULL,")} NOT NULL,
    received REAL NOT NULL, readings BLOB NOT NULL,
    PRIMARY KEY ({COLUMNS})
) WITHOUT ROWID;

CREATE INDEX readings_received ON readings (received);

CREATE INDEX readings_of_device ON readings (device, received);

CREATE TABLE leases (
    {COLUMNS.replace(",", " NOT NULL,")} NOT NULL,
    fence INTEGER NOT NULL, seconds REAL NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY ({COLUMNS})
) WITHOUT ROWID;

CREATE TABLE settled (
    fence INTEGER PRIMARY KEY, until REAL NOT NULL, readings
);

CREATE INDEX settled_until ON settled (until);

CREATE TABLE counts (
    entries INTEGER NOT NULL, octets INTEGER NOT NULL, fence INTEGER NOT NULL,
    own_counter INTEGER NOT NULL, place TEXT NOT NULL
);

INSERT INTO counts VALUES (0, 0, 0, 0, '');

CREATE TRIGGER one_more AFTER INSERT ON readings
BEGIN UPDATE counts SET entries = entries + 1,
    octets = octets + length(new.readings) + {ENTRY_OCTETS}; END;

CREATE TRIGGER another AFTER UPDATE OF readings ON readings
BEGIN UPDATE counts SET octets = octets + length(new.readings) - length(old.readings); END;

CREATE TRIGGER one_less AFTER DELETE ON readings
BEGIN UPDATE counts SET entries = entries - 1,
    octets = octets - length(old.readings) - {ENTRY_OCTETS}; END
"""  # noqa: S608

GET = f"SELECT received, readings FROM readings WHERE {IS_KEY}"  # noqa: S608
PUT = (
    f"INSERT INTO readings VALUES ({PLACES}, ?, ?) ON CONFLICT ({COLUMNS}) DO UPDATE"  # noqa: S608
    " SET received = excluded.received, readings = excluded.readings"
)
COVERING = (
    f"SELECT {COLUMNS} FROM (SELECT {COLUMNS}, received FROM readings"  # noqa: S608
    f" WHERE device = ? AND received > ? ORDER BY received DESC LIMIT {CONSIDERED})"
    f' WHERE {IS_ALIKE} AND start <= ? AND "end" >= ? ORDER BY received DESC LIMIT {OPENED}'
)
"""Selects keys alone, which are in the index of a device, so that no readings are read."""
DROP = f"DELETE FROM readings WHERE {IS_KEY}"  # noqa: S608
OLDEST = (
    f"SELECT {COLUMNS}, length(readings) + {ENTRY_OCTETS} FROM readings"  # noqa: S608
    " ORDER BY received LIMIT ?"
)
SELECTED = (
    f"SELECT {COLUMNS}, received FROM readings"  # noqa: S608
    " WHERE received >= ? AND {conditions} ORDER BY received LIMIT ?"
)
LISTED = (
    f"SELECT {COLUMNS}, received, readings FROM readings"  # noqa: S608
    f" WHERE ({COLUMNS}) > ({PLACES}) AND {{conditions}} ORDER BY {COLUMNS} LIMIT ?"
)
ENTRIES = "SELECT entries FROM counts"
OCTETS = "SELECT octets FROM counts"

FENCE = "UPDATE counts SET fence = fence + 1"
FENCED = "SELECT fence FROM counts"
LEASE = f"INSERT OR REPLACE INTO leases VALUES ({PLACES}, ?, ?, ?)"  # noqa: S608
LEASED = (
    f"SELECT fence FROM leases WHERE {IS_KEY}"  # noqa: S608
    " AND expires > ? AND expires <= ? + seconds"
)
RENEW = f"UPDATE leases SET seconds = ?, expires = ? WHERE {IS_KEY} AND fence = ?"  # noqa: S608
UNLEASE = f"DELETE FROM leases WHERE {IS_KEY} AND fence = ?"  # noqa: S608
SETTLE = "INSERT INTO settled VALUES (?, ?, ?)"
SETTLED = "SELECT readings FROM settled WHERE fence = ?"
SWEEP_LEASES = "DELETE FROM leases WHERE expires < ? OR expires > ? + seconds"
SWEEP_SETTLED = "DELETE FROM settled WHERE until < ? OR until > ?"

RESERVED = "SELECT own_counter, place FROM counts"
RESERVE = "UPDATE counts SET own_counter = ?, place = ?"

PAGES = (
    "SELECT page_count, freelist_count, page_size"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
"""Selects the number of pages, of unused pages, and the octets in a page."""
GIVE_BACK = "PRAGMA incremental_vacuum({pages})"
