"""Commands that carry a certificate, valid or not, or content that meters and caches discard."""

from dataclasses import replace
from datetime import UTC, datetime

from esme_emulator.estate.parties import OTHER_USER
from esme_emulator.messaging.validation import MAX_COMMAND, Discard
from gbcs import EUI, Command, Keystore, Opaque, encode, read_content
from gbcs.codec import open_message
from gbcs.content import encode_content
from gbcs.tables.roles import Role
from tests.support.certificates import certificate, key_of
from tests.support.estate import KEYS, SEED, command

OWN, OTHER = key_of(OTHER_USER, SEED), key_of(OTHER_USER, "somebody else")
STRANGER = EUI(b"\x22" * 8)
LAPSED = certificate(OTHER_USER, OWN, ends=datetime(2025, 10, 29, tzinfo=UTC))

BROUGHT: list[tuple[str, Discard, bytes]] = [
    ("text", Discard.CERTIFICATE_INVALID, b"no certificate at all"),
    ("zeros", Discard.CERTIFICATE_INVALID, bytes(20)),
    (
        "a key to sign",
        Discard.CERTIFICATE_INVALID,
        certificate(OTHER_USER, OWN, use="digital_signature"),
    ),
    ("no use", Discard.CERTIFICATE_INVALID, certificate(OTHER_USER, OWN, use=None)),
    ("too long", Discard.CERTIFICATE_INVALID, certificate(OTHER_USER, OWN, padding=8_000)),
    ("another party", Discard.CERTIFICATE_FOREIGN, certificate(STRANGER, OWN)),
    ("lapsed", Discard.CERTIFICATE_EXPIRED, LAPSED),
    (
        "not yet",
        Discard.CERTIFICATE_EXPIRED,
        certificate(OTHER_USER, OWN, begins=datetime(2026, 1, 16, tzinfo=UTC)),
    ),
    ("another key", Discard.CERTIFICATE_KEY, certificate(OTHER_USER, OTHER)),
]
"""Name, reason to discard it at `UNIX_NOW`, and octets of each invalid certificate."""


def bringing(der: bytes, srv: str = "4.8.1", counter: int = 1, keystore: Keystore = KEYS) -> bytes:
    """Return a command of the other user with certificate `der`, its MAC made by the ACB."""
    asked, _ = command(srv, Role.OU, counter)
    assert asked.supplementary is not None
    behind = replace(asked.supplementary, certificate=der)
    return encode(replace(asked, supplementary=behind, mac=b""), keystore)


def with_content(content: bytes, srv: str = "4.8.1", keystore: Keystore = KEYS) -> bytes:
    """Return a command with this content and a valid MAC."""
    asked, _ = command(srv)
    return encode(replace(asked, payload=Opaque(content), mac=b""), keystore)


def of_an_unknown_type(octets: bytes) -> bytes:
    """Return an authentic command like `octets`, but with an unknown DLMS type at its end."""
    asked = read_content(open_message(octets))
    assert isinstance(asked, Command)
    return with_content(encode_content(asked.payload)[:-1] + b"\x07")


def too_long(_: bytes) -> bytes:
    """Return an authentic command that is longer than `MAX_COMMAND`."""
    return with_content(b"\xd9" + bytes(MAX_COMMAND))
