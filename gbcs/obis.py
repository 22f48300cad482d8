"""OBIS codes as text: six numbers with dots between them."""


def dotted(obis: bytes) -> str:
    """Return the text of a logical name.

    >>> dotted(bytes.fromhex("0000630100FF"))
    '0.0.99.1.0.255'
    """
    return ".".join(map(str, obis))


def parse_dotted(text: str) -> bytes:
    """Return the six octets of a logical name. Raises `ValueError` where `text` is none."""
    try:
        obis = bytes(int(part) for part in text.split("."))
    except ValueError:
        obis = b""
    if len(obis) != 6:
        raise ValueError(f"{text!r} is not an OBIS code: write six numbers, as in 0.0.99.1.0.255")
    return obis
