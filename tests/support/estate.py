"""A small estate at a fixed time, the commands of its parties, and the true replies of its meters.

Knows no cache and no broker.
"""

from esme_emulator.device.meter import Answer, answer
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import PARTIES, RemoteParty
from gbcs import EUI, Command, Keystore, Message, decode
from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Row, Window, buffer_of, rows_of

SEED = "tests"
ESTATE = derived_estate(SEED, 5)
KEYS = ESTATE.keystore
METER, OTHER_METER = ESTATE.meters[0], ESTATE.meters[1]
STRANGER = EUI.from_int(int(ESTATE.meters[-1]) + 1)
"""A device outside the estate."""

NOW = parse_iso("2026-01-15T12:00:00Z")
"""In seconds since 2000; `UNIX_NOW` is the same instant in Unix time."""
UNIX_NOW = float(NOW + EPOCH_UNIX)

MIDNIGHT = NOW // DAY * DAY
YESTERDAY = Window(MIDNIGHT - DAY, MIDNIGHT)


def party(role: Role, counter: int = 1, keystore: Keystore = KEYS) -> RemoteParty:
    """Return the party of `role`, whose next command has this originator counter."""
    party = next(one for one in PARTIES if role in one.roles)
    return RemoteParty.of(party, keystore, counter)


def command(
    srv: str,
    role: Role = Role.IS,
    counter: int = 1,
    window: Window | None = YESTERDAY,
    device: EUI = METER,
    keystore: Keystore = KEYS,
) -> tuple[Command, bytes]:
    """Return a read command and its octets."""
    return party(role, counter, keystore).command(device, srv, window)


def own_counter_in(octets: bytes) -> int | None:
    """Return the device's own counter in a response, or None if it has none."""
    supplementary = decode(octets).supplementary
    return supplementary.originator_counter if supplementary else None


def meter_says(asked: Command, now: float = UNIX_NOW, own_counter: int = 0) -> Answer:
    """Return the answer of the meter model to a command."""
    return answer(SEED, asked, KEYS, now, lambda: own_counter)


def meter_octets(asked: Command, now: float = UNIX_NOW, own_counter: int = 0) -> bytes:
    """Return the octets of the meter's reply to a command."""
    octets = meter_says(asked, now, own_counter).octets
    assert octets is not None
    return octets


def readings_in(response: Message, srv: str) -> list[Row]:
    """Return the rows of a response."""
    buffer = buffer_of(response, BY_SRV[srv])
    assert isinstance(buffer, bytes), f"refused with {buffer}"
    return rows_of(BY_SRV[srv], buffer)
