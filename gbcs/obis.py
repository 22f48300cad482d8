"""OBIS codes, the logical names of COSEM objects, as text."""


def dotted(obis: bytes) -> str:
    """Return a logical name as numbers with dots, the form of JSON and of the tables.

    >>> dotted(bytes.fromhex("0000630100FF"))
    '0.0.99.1.0.255'
    """
    return ".".join(map(str, obis))


def parse_dotted(text: str) -> bytes:
    """Return the six octets of a logical name. Raises `ValueError` unless it has six numbers."""
    try:
        obis = bytes(int(part) for part in text.split("."))
    except ValueError:
        obis = b""
    if len(obis) != 6:
        raise ValueError(f"{text!r} is not an OBIS code: write six numbers, as in 0.0.99.1.0.255")
    return obis


def obis_text(obis: bytes) -> str:
    """Return a logical name in the form of the DLMS books, for people.

    >>> obis_text(bytes.fromhex("0000630100FF"))
    '0-0:99.1.0.255'

    Octets that are not six are written in hexadecimal.
    """
    if len(obis) != 6:
        return obis.hex().upper()
    a, b, *rest = obis
    return f"{a}-{b}:" + ".".join(map(str, rest))
