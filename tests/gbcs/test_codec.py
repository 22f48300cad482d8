"""decode, encode, sign and authenticate, with messages built here."""

from dataclasses import replace
from typing import Any

import pytest

from esme_emulator.estate.keys import DerivedKeystore
from gbcs import (
    EUI,
    Alert,
    AuthenticationError,
    Command,
    EncodeError,
    FileKeystore,
    KeyUsage,
    Message,
    Opaque,
    Response,
    Status,
    Supplementary,
    authenticate,
    decode,
    encode,
    sign,
)
from gbcs.crypto.keystore import Keystore
from gbcs.dlms.access import (
    Access,
    AccessRequest,
    AccessResponse,
    AccessResult,
    Choice,
    DataNotification,
)
from gbcs.dlms.data import NULL, BitString, Data, DataType, octet_string, structure
from tests.support.codec_check import check_codec
from tests.support.second_hand import (
    ALERT,
    COMMAND,
    RESPONSE,
    agreed,
    fields,
    grouping,
    message_key,
    seal,
)

KEYS = DerivedKeystore("codec")
ACB = KEYS.access_control_broker
METER, PARTY = EUI.parse("00DBE50000000001"), EUI.parse("90B3D51F30010000")
CODE = b"\x00\x62"
COUNTER = 0x2A

ALERT_CONTENT = bytes.fromhex("0F 2000002A 0C 07DE0C1FFF000000008000FF 0202 128F66 00")
RESPONSE_CONTENT = bytes.fromhex("DA 2000002A 00 00 02 11 07 00 02 01 00 02 0D")
COMMAND_CONTENT = bytes.fromhex(
    "D9 2000002A 00 0201 0003 0100010800FF 02  04 0007 0000630100FF 02 01 020002 00 0901AA"
)
ALERT_MESSAGE = Alert(
    originator=METER,
    recipient=PARTY,
    originator_counter=COUNTER,
    message_code=0x62,
    payload=DataNotification(
        0x2000002A,
        structure(Data(DataType.LONG_UNSIGNED, 0x8F66), NULL),
        bytes.fromhex("07DE0C1FFF000000008000FF"),
    ),
)
RESPONSE_MESSAGE = Response(
    originator=METER,
    recipient=PARTY,
    originator_counter=COUNTER,
    message_code=0x62,
    payload=AccessResponse(
        0x2000002A,
        (
            AccessResult(Choice.GET, 0, Data(DataType.UNSIGNED, 7)),
            AccessResult(Choice.SET, 13, NULL),
        ),
    ),
)
COMMAND_MESSAGE = Command(
    originator=PARTY,
    recipient=METER,
    originator_counter=COUNTER,
    message_code=0x62,
    payload=AccessRequest(
        0x2000002A,
        (
            Access(Choice.GET, 3, bytes.fromhex("0100010800FF"), 2, NULL),
            Access(
                Choice.GET_WITH_SELECTION,
                7,
                bytes.fromhex("0000630100FF"),
                2,
                octet_string(b"\xaa"),
                1,
                structure(),
            ),
        ),
    ),
)
KINDS = {
    "alert": (ALERT_MESSAGE, ALERT, METER, PARTY, ALERT_CONTENT),
    "response": (RESPONSE_MESSAGE, RESPONSE, METER, PARTY, RESPONSE_CONTENT),
    "command": (COMMAND_MESSAGE, COMMAND, PARTY, METER, COMMAND_CONTENT),
}
each_kind = pytest.mark.parametrize(
    ("message", "cra", "originator", "recipient", "content"), KINDS.values(), ids=KINDS
)


def _secret(one: EUI, other: EUI) -> bytes:
    usage = KeyUsage.KEY_AGREEMENT
    return agreed(KEYS.private_key(one, usage), KEYS.public_key(other, usage))


@each_kind
def test_messages_without_mac(
    message: Message, cra: int, originator: EUI, recipient: EUI, content: bytes
) -> None:
    octets = grouping(cra, COUNTER, originator, recipient, CODE, content)
    check_codec(
        decode,
        encode,
        replace(message, mac=None),
        octets + b"\x00",
        prefixes=frozenset({len(octets)} if cra == COMMAND else ()),
    )


@each_kind
def test_messages_are_sealed(
    message: Message, cra: int, originator: EUI, recipient: EUI, content: bytes
) -> None:
    """The key of a command is that of ACB and device; of others, that of device and recipient."""
    sealed = grouping(cra, COUNTER, originator, recipient, CODE, content) + b"\x00"
    secret = _secret(ACB if cra == COMMAND else originator, recipient)
    key = message_key(secret, originator, cra, COUNTER, recipient)
    octets = seal(key, originator, sealed)
    assert encode(message, KEYS).hex() == octets.hex()
    received = decode(octets, KEYS)
    assert received.mac_status is Status.VALID
    assert received.signature_status is Status.ABSENT
    assert replace(received, mac=b"") == message
    authenticate(received)
    check_codec(decode, encode, received, octets)


def test_a_mac_needs_keys() -> None:
    with pytest.raises(AuthenticationError, match=str(METER)):
        encode(ALERT_MESSAGE)
    with pytest.raises(AuthenticationError, match="private key of one and the public key"):
        encode(ALERT_MESSAGE, FileKeystore({}))


def test_a_mac_that_is_there_is_kept() -> None:
    octets = encode(replace(ALERT_MESSAGE, mac=bytes(12)), KEYS)
    assert fields(octets).mac == bytes(12)
    received = decode(octets, KEYS)
    assert received.mac_status is Status.INVALID
    with pytest.raises(AuthenticationError, match="MAC invalid, signature absent"):
        authenticate(received)


def test_signing() -> None:
    unsigned = replace(ALERT_MESSAGE, mac=None)
    signed = sign(unsigned, KEYS)
    assert signed.signature_status is Status.VALID
    octets = encode(signed)
    assert octets[:-65] == encode(unsigned)[:-1]
    received = decode(octets, KEYS)
    assert received == signed
    assert received.signature_status is Status.VALID
    assert received.mac_status is Status.ABSENT
    authenticate(received)
    assert decode(octets).signature_status is Status.UNVERIFIED
    with pytest.raises(AuthenticationError, match="unverified"):
        authenticate(decode(octets))
    other = decode(octets, DerivedKeystore("other"))
    assert other.signature_status is Status.INVALID
    with pytest.raises(AuthenticationError, match="invalid"):
        authenticate(other)


def test_signed_and_sealed() -> None:
    octets = encode(sign(COMMAND_MESSAGE, KEYS), KEYS)
    received = decode(octets, KEYS)
    assert received.mac_status is Status.VALID
    assert received.signature_status is Status.VALID


@pytest.mark.parametrize(
    "signature", [bytes(64), b"\xff" * 64, bytes(63) + b"\x01", b"\x01" + bytes(63)]
)
def test_a_signature_of_no_point_is_invalid(signature: bytes) -> None:
    octets = encode(replace(ALERT_MESSAGE, mac=None, signature=signature))
    assert decode(octets, KEYS).signature_status is Status.INVALID


def test_a_message_without_mac_and_signature_is_not_authentic() -> None:
    received = decode(encode(replace(ALERT_MESSAGE, mac=None)), KEYS)
    with pytest.raises(AuthenticationError, match="MAC absent, signature absent"):
        authenticate(received)


def test_signing_needs_the_key_of_the_originator() -> None:
    with pytest.raises(AuthenticationError, match=str(METER)):
        sign(ALERT_MESSAGE, FileKeystore({}))


def test_a_pre_command_is_signed_before_it_is_sealed() -> None:
    pre_command = replace(COMMAND_MESSAGE, signature=None, mac=None)
    octets = encode(pre_command)
    assert octets == grouping(COMMAND, COUNTER, PARTY, METER, CODE, COMMAND_CONTENT)
    received = decode(octets, KEYS)
    assert received == pre_command
    assert received.kind == "pre-command"
    assert received.signature_status is Status.ABSENT
    with pytest.raises(EncodeError, match="sign it first"):
        encode(replace(pre_command, mac=b""), KEYS)
    sealed = encode(replace(sign(pre_command, KEYS), mac=b""), KEYS)
    assert decode(sealed, KEYS).mac_status is Status.VALID


# Encrypted attributes.

BLOB_AND_OTHERS = structure(octet_string(b"\x31\x00\x00\x00\x00"), octet_string(bytes(20)), NULL)


def test_octets_that_only_resemble_an_encrypted_attribute() -> None:
    message = replace(ALERT_MESSAGE, mac=None, payload=DataNotification(1, BLOB_AND_OTHERS))
    assert decode(encode(message), KEYS).protected == ()


def test_an_encrypted_attribute_under_another_key_is_invalid() -> None:
    blob = bytes.fromhex("3100000000") + bytes(16)
    payload = DataNotification(1, structure(octet_string(blob)))
    octets = encode(replace(ALERT_MESSAGE, mac=None, payload=payload))
    [item] = decode(octets, KEYS).protected
    assert (item.status, item.blob, item.plaintext) == (Status.INVALID, blob, None)
    [item] = decode(octets).protected
    assert item.status is Status.UNVERIFIED


# Messages that cannot be encoded, because their octets could not be read again.


def _with(data: Data) -> dict[str, Any]:
    return {"payload": DataNotification(1, data)}


def _nested(depth: int) -> Data:
    data = NULL
    for _ in range(depth):
        data = structure(data)
    return data


GET = Access(Choice.GET, 3, bytes(6), 2, NULL)
SELECT = Access(Choice.GET_WITH_SELECTION, 7, bytes(6), 2, NULL, 1, NULL)
WITHOUT_OCTETS: dict[str, dict[str, Any]] = {
    "counter of 65 bits": {"originator_counter": 1 << 64},
    "negative counter": {"originator_counter": -1},
    "code of 17 bits": {"message_code": 1 << 16},
    "short originator": {"originator": EUI(b"1234567")},
    "long recipient": {"recipient": EUI(b"123456789")},
    "short time": {"transaction_time": bytes(11)},
    "short signature": {"signature": bytes(63)},
    "short MAC": {"mac": bytes(11)},
    "contradicting supplementary party": {"supplementary": Supplementary(PARTY, None, 5)},
    "alert without signature length": {"signature": None},
    "invoke id of 33 bits": {"payload": DataNotification(1 << 32, NULL)},
    "number that does not fit": _with(Data(DataType.UNSIGNED, 256)),
    "number without value": _with(Data(DataType.UNSIGNED, None)),
    "number that is text": _with(Data(DataType.LONG, b"12")),
    "text that is a number": _with(Data(DataType.OCTET_STRING, 5)),
    "null with a value": _with(Data(DataType.NULL_DATA, 0)),
    "structure of nothing": _with(Data(DataType.STRUCTURE, None)),
    "array that is octets": _with(Data(DataType.ARRAY, b"")),
    "bits that are too many": _with(Data(DataType.BIT_STRING, BitString(9, b"\x00"))),
    "bits behind the end": _with(Data(DataType.BIT_STRING, BitString(3, b"\xff"))),
    "short date": _with(Data(DataType.DATE, b"1234")),
    "long date-time": _with(Data(DataType.DATE_TIME, bytes(13))),
    "compact-array that is octets": _with(Data(DataType.COMPACT_ARRAY, b"")),
    "nested too deeply": _with(_nested(25)),
    "nested much too deeply": _with(_nested(5000)),
    "class of 17 bits": {"payload": AccessRequest(1, (replace(GET, class_id=1 << 16),))},
    "short OBIS": {"payload": AccessRequest(1, (replace(GET, obis=bytes(5)),))},
    "attribute 256": {"payload": AccessRequest(1, (replace(GET, index=256),))},
    "selection without selector": {"payload": AccessRequest(1, (replace(SELECT, selector=None),))},
    "selector without selection": {"payload": AccessRequest(1, (replace(SELECT, selection=None),))},
    "selection of a get": {"payload": AccessRequest(1, (replace(SELECT, choice=Choice.GET),))},
    "result code 256": {"payload": AccessResponse(1, (AccessResult(Choice.GET, 256, NULL),))},
    "result code -1": {"payload": AccessResponse(1, (AccessResult(Choice.GET, -1, NULL),))},
    "too long": {"payload": Opaque(bytes(1 << 20))},
}


@pytest.mark.parametrize("changes", WITHOUT_OCTETS.values(), ids=WITHOUT_OCTETS)
def test_unreadable_messages_are_not_written(changes: dict[str, Any]) -> None:
    message = replace(ALERT_MESSAGE, **{"mac": None, **changes})
    with pytest.raises(EncodeError) as caught:
        encode(message)
    assert caught.value.path
    assert caught.value.reason
    assert "\n" not in str(caught.value)


def test_the_access_control_broker_is_the_keystore_s() -> None:
    class Other(DerivedKeystore):
        access_control_broker = EUI.parse("90B3D51F30000099")

    keystore: Keystore = Other("codec")
    octets = encode(COMMAND_MESSAGE, keystore)
    assert octets != encode(COMMAND_MESSAGE, KEYS)
    assert decode(octets, keystore).mac_status is Status.VALID
    assert decode(octets, KEYS).mac_status is Status.INVALID
