"""The content of a message, by family: DLMS, GBZ or ASN.1.

Knows which code reads which family, and where encrypted attributes are. GBZ and ASN.1 are imported
when the first message needs them, so programs that only read meters do not pay for them.

Source: GBCS v4.1 clause 7.2.8; all vectors.
"""

from collections.abc import Callable
from typing import TypeAlias

from gbcs.crypto.protection import is_blob
from gbcs.dlms.access import (
    ACCESS_REQUEST,
    ACCESS_RESPONSE,
    DATA_NOTIFICATION,
    AccessRequest,
    AccessResponse,
    Apdu,
    DataNotification,
    decode_apdu,
    encode_apdu,
)
from gbcs.dlms.data import Data
from gbcs.errors import DecodeError
from gbcs.message import Payload
from gbcs.opaque import Opaque

Decrypt: TypeAlias = Callable[[bytes], bytes | None]
"""Takes the blob of an encrypted attribute and returns its plaintext, None without a key."""
_APDU_TAGS = (ACCESS_REQUEST, ACCESS_RESPONSE, DATA_NOTIFICATION)
_WITHOUT_PLACES = Apdu | Opaque  # a union made once, since making one takes longer than its use
_GBZ_PROFILE = b"\x01\x09"


def decode_content(message_code: int, cra: int, content: bytes) -> Payload:
    """Return the content of a message of this code; `cra` is 1, 2 or 3.

    Content that does not have the form of its family becomes `Opaque` with the reason, so that one
    unknown type does not cost the whole message.
    """
    try:
        if content and content[0] in _APDU_TAGS:  # `is_apdu` inlined: this runs for every message
            return decode_apdu(content)
        # First octets decide between families: no DER content begins with 01 09.
        if content.startswith(_GBZ_PROFILE):
            from gbcs.gbz import decode_gbz

            return decode_gbz(content)
        from gbcs.asn1 import decode_asn1

        return decode_asn1(message_code, cra, content) or Opaque(content)
    except DecodeError as error:
        return Opaque(content, str(error))


def is_apdu(content: bytes) -> bool:
    """Return whether `content` begins as a DLMS APDU does, even if it cannot be read."""
    return bool(content) and content[0] in _APDU_TAGS


def encode_content(payload: Payload) -> bytes:
    """Return the octets of a content. Raises `EncodeError` if a value does not fit its type."""
    if isinstance(payload, Opaque):
        return payload.octets
    if isinstance(payload, Apdu):
        return encode_apdu(payload)
    # Imported here: a program that sends only DLMS never loads the other families.
    from gbcs.gbz import GbzContent, encode_gbz

    if isinstance(payload, GbzContent):
        return encode_gbz(payload)
    from gbcs.asn1 import encode_asn1

    return encode_asn1(payload)


def encrypted_attributes(payload: Payload) -> list[bytes]:
    """Return the blobs of the encrypted attributes in a content, in their order.

    In DLMS a blob is an octet-string in the structure of a result or of an alert's body.
    """
    if isinstance(payload, AccessRequest):
        return []  # a command encrypts nothing
    if isinstance(payload, AccessResponse):
        blobs: list[bytes] = []
        for result in payload.results:
            blobs += _blobs_in(result.data)
        return blobs
    if isinstance(payload, DataNotification):
        return _blobs_in(payload.body)
    if isinstance(payload, Opaque):
        return []
    from gbcs.gbz import Encrypted, GbzContent

    components = payload.components if isinstance(payload, GbzContent) else ()
    return [
        component.payload.blob
        for component in components
        if isinstance(component.payload, Encrypted)
    ]


def _blobs_in(data: Data) -> list[bytes]:
    blobs: list[bytes] = []
    if isinstance(data.value, tuple):
        for item in data.value:
            if isinstance(item.value, bytes) and is_blob(item.value):
                blobs.append(item.value)
    return blobs


def with_plaintexts(payload: Payload, decrypt: Decrypt) -> Payload:
    """Return `payload` with the plaintexts in their places, if its family has places for them."""
    if isinstance(payload, _WITHOUT_PLACES):
        return payload
    from gbcs.gbz import GbzContent, decrypt_components

    return decrypt_components(payload, decrypt) if isinstance(payload, GbzContent) else payload
