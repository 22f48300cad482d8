"""Critical commands: they change the meter, so their originator signs them."""

from dataclasses import replace

from gbcs import EUI, Command, Keystore, encode, sign
from gbcs.dlms.access import Access, AccessRequest, Choice
from gbcs.dlms.data import Data, DataType
from gbcs.obis import parse_dotted
from gbcs.tables.roles import Role
from gbcs.usecases.responding import invoke_id
from tests.support.estate import KEYS, METER, party

ECS01A, ECS01C, ECS42 = 0x0019, 0x00B7, 0x004F
"""Set tariff (its responses carry a time) and close the load switch (its response does not)."""


def critical_command(code: int = ECS42, device: EUI = METER, keystore: Keystore = KEYS) -> Command:
    """Return a signed critical command, without a MAC."""
    access = Access(
        Choice.ACTION, 70, parse_dotted("0.0.96.3.10.255"), 2, Data(DataType.INTEGER, 0)
    )
    command = Command(
        originator=party(Role.IS).eui,
        recipient=device,
        originator_counter=7,
        message_code=code,
        payload=AccessRequest(invoke_id(7), (access, access)),
    )
    return sign(command, keystore)


def unsigned(octets_of: Command) -> bytes:
    return encode(replace(octets_of, signature=b""), KEYS)


def with_an_invalid_signature(octets_of: Command) -> bytes:
    return encode(replace(octets_of, signature=bytes([1]) * 64), KEYS)
