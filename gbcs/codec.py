"""decode() and encode(): octets to messages and back.

Joins the parts: envelope, other information, content, and what the keys verify and decrypt. An
invalid MAC is a status here and not an error, so that a message can be inspected; `authenticate`
turns it into an error.
"""

from dataclasses import replace

from gbcs.content import decode_content, encode_content, encrypted_attributes, with_plaintexts
from gbcs.crypto.keystore import Keystore, KeyUsage
from gbcs.crypto.signature import sign as sign_octets
from gbcs.errors import AuthenticationError, DecodeError, EncodeError
from gbcs.eui import EUI
from gbcs.frozen import maker
from gbcs.header import (
    Envelope,
    add_mac,
    open_envelope,
    write_envelope,
    write_sealed,
    write_signed,
)
from gbcs.message import (
    MAX_OCTETS,
    UNSEALED,
    Alert,
    Command,
    Message,
    Payload,
    Protected,
    Response,
    Status,
    Supplementary,
)
from gbcs.opaque import Opaque
from gbcs.other_information import read_other_information, write_other_information
from gbcs.sealing import (
    attribute_key,
    calculate_mac,
    check_mac,
    check_signature,
    open_protected,
)

# Constructors of the frozen messages at a third of the price: one message is built for each decode.
_opaque = maker(Opaque)
_MAKERS = {1: maker(Command), 2: maker(Response), 3: maker(Alert)}


def decode(octets: bytes, keystore: Keystore | None = None, certificate: bytes = b"") -> Message:
    """Return the message in `octets`, verified and decrypted with the keys that `keystore` has.

    >>> decode(b"")
    Traceback (most recent call last):
    gbcs.errors.DecodeError: message: begins with nothing; a message begins with DD or DF

    If `keystore` does not know the recipient of a response, the response is decrypted with
    `certificate`, the DER certificate in the party's command. The results of verification are in
    `mac_status`, `signature_status` and the status of each item of `protected`. Content that
    cannot be read becomes an `Opaque` payload with the reason.

    Raises `DecodeError` if the octets are not a message, and `KeystoreError` if `certificate` is
    not one of the party.
    """
    envelope, code, supplementary = _open(octets)
    payload = decode_content(code, envelope.cra, envelope.content)
    protected: tuple[Protected, ...] = ()
    blobs = encrypted_attributes(payload)
    if blobs:
        originator = envelope.originator
        key = attribute_key(
            originator, envelope.recipient, envelope.counter, supplementary, keystore, certificate
        )
        payload, protected = _decrypted(payload, blobs, key, originator)
    return _message(envelope, code, supplementary, payload, protected, keystore)


def open_message(octets: bytes, keystore: Keystore | None = None) -> Message:
    """Return the message in `octets`, verified, with its content unread: an `Opaque` payload.

    Reading content takes most of the time. A program that receives messages from anybody calls
    this first, and `read_content` only for messages that are authentic.

    >>> header = "DF0901 0000000000000001 08 90B3D51F30010000 08 00DBE50000000000 00"
    >>> message = open_message(bytes.fromhex(header + "02 0036" + "00"))
    >>> message.kind, message.payload
    ('pre-command', Opaque(octets=b'', reason='not read'))

    Raises `DecodeError` if the octets are not a message.
    """
    envelope, code, supplementary = _open(octets)
    unread = _opaque(envelope.content, "not read")
    return _message(envelope, code, supplementary, unread, (), keystore)


def read_content(
    message: Message, keystore: Keystore | None = None, certificate: bytes = b""
) -> Message:
    """Return a message of `open_message` with its content read, as `decode` returns it.

    Raises `KeystoreError` if `certificate` is not one of the party, and `TypeError` if the content
    was read before.
    """
    if not isinstance(message.payload, Opaque):
        raise TypeError("the content of this message was read before: pass one of open_message")
    payload = decode_content(message.message_code, message.cra, message.payload.octets)
    protected: tuple[Protected, ...] = ()
    blobs = encrypted_attributes(payload)
    if blobs:
        key = attribute_key(
            message.originator,
            message.recipient,
            message.originator_counter,
            message.supplementary,
            keystore,
            certificate,
        )
        payload, protected = _decrypted(payload, blobs, key, message.originator)
    # `dataclasses.replace` takes three times as long.
    return _MAKERS[message.cra](
        originator=message.originator,
        recipient=message.recipient,
        originator_counter=message.originator_counter,
        message_code=message.message_code,
        payload=payload,
        supplementary=message.supplementary,
        transaction_time=message.transaction_time,
        signature=message.signature,
        mac=message.mac,
        protected=protected,
        mac_status=message.mac_status,
        signature_status=message.signature_status,
    )


def _open(octets: bytes) -> tuple[Envelope, int, Supplementary | None]:
    """Return the envelope of a message, its message code and the party behind the ACB."""
    # Checked first, so that a huge message costs no work.
    if len(octets) > MAX_OCTETS:
        raise DecodeError(f"{len(octets)} octets; {MAX_OCTETS} are the limit", "message")
    envelope = open_envelope(octets)
    if envelope.cra not in _MAKERS:
        raise DecodeError(f"{envelope.cra} is not command, response or alert", "message.cra")
    code, supplementary = read_other_information(envelope.other_information)
    return envelope, code, supplementary


def _decrypted(
    payload: Payload, blobs: list[bytes], key: bytes | None, originator: EUI
) -> tuple[Payload, tuple[Protected, ...]]:
    """Return `payload` and its encrypted attributes, with their plaintexts if `key` opens them."""
    protected = tuple([open_protected(blob, key, originator) for blob in blobs])
    plaintexts = {item.blob: item.plaintext for item in protected}
    return with_plaintexts(payload, plaintexts.get), protected


def _message(
    envelope: Envelope,
    code: int,
    supplementary: Supplementary | None,
    payload: Payload,
    protected: tuple[Protected, ...],
    keystore: Keystore | None,
) -> Message:
    """Return the message with the results of verification."""
    return _MAKERS[envelope.cra](
        originator=envelope.originator,
        recipient=envelope.recipient,
        originator_counter=envelope.counter,
        message_code=code,
        payload=payload,
        supplementary=supplementary,
        transaction_time=envelope.transaction_time,
        signature=envelope.signature,
        mac=envelope.mac,
        protected=protected,
        mac_status=check_mac(envelope, keystore),
        signature_status=check_signature(envelope, keystore),
    )


def encode(message: Message, keystore: Keystore | None = None) -> bytes:
    """Return the octets of `message`. A MAC that is `UNSEALED` is calculated with `keystore`.

    >>> header = "DF0901 0000000000000001 08 90B3D51F30010000 08 00DBE50000000000 00"
    >>> octets = bytes.fromhex(header + "02 0036" + "00")  # a pre-command without content
    >>> encode(decode(octets)) == octets
    True

    Raises `EncodeError` if a field does not fit its place, and `AuthenticationError` if a MAC is
    to be calculated and a key for it is missing.
    """
    envelope = _envelope(message)
    if message.mac != UNSEALED:
        octets = write_envelope(envelope)
    else:
        sealed = write_sealed(envelope)
        octets = add_mac(sealed, calculate_mac(envelope, sealed, keystore))
    if len(octets) > MAX_OCTETS:
        raise EncodeError(f"{len(octets)} octets; {MAX_OCTETS} are the limit", "message")
    return octets


def sign(message: Message, keystore: Keystore) -> Message:
    """Return `message` signed by its originator; a pre-command becomes a command.

    >>> from gbcs import EUI, FileKeystore, Opaque
    >>> party, device = EUI.parse("90B3D51F30010000"), EUI.parse("00DBE50000000000")
    >>> key = {"private": f"{1:064x}"}
    >>> keystore = FileKeystore({str(party): {"ds": key}})
    >>> command = Command(
    ...     originator=party, recipient=device, originator_counter=1, message_code=0x0036,
    ...     payload=Opaque(b""), signature=None, mac=None,
    ... )
    >>> signed = sign(command, keystore)
    >>> decode(encode(signed), keystore).signature_status.value
    'valid'

    Raises `AuthenticationError` if `keystore` lacks the originator's private signing key.
    """
    key = keystore.private_key(message.originator, KeyUsage.DIGITAL_SIGNATURE)
    if key is None:
        raise AuthenticationError(
            f"no private signing key of {message.originator}: add its 'ds' key to the keystore"
        )
    signature = sign_octets(key, write_signed(_envelope(message)))
    return replace(message, signature=signature, signature_status=Status.VALID)


def authenticate(message: Message) -> None:
    """Raise `AuthenticationError` unless the MAC, or in its absence the signature, is valid.

    >>> header = "DF0901 0000000000000001 08 90B3D51F30010000 08 00DBE50000000000 00"
    >>> authenticate(decode(bytes.fromhex(header + "02 0036" + "00")))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    gbcs.errors.AuthenticationError: message from 90B3... signature absent
    """
    decisive = message.mac_status
    if decisive is Status.ABSENT:
        decisive = message.signature_status
    if decisive is not Status.VALID:
        raise AuthenticationError(
            f"message from {message.originator} to {message.recipient}: "
            f"MAC {message.mac_status}, signature {message.signature_status}"
        )


def _envelope(message: Message) -> Envelope:
    return Envelope(
        message.cra,
        message.originator_counter,
        message.originator,
        message.recipient,
        message.transaction_time,
        write_other_information(message.message_code, message.supplementary),
        encode_content(message.payload),
        message.signature,
        message.mac,
    )
