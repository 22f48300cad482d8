"""The content of a message by family: DLMS, GBZ or ASN.1, told apart by code and first octets.

Knows which family reads what, and where encrypted attributes are. GBZ and ASN.1 are imported when
a message first has them, so that who reads meters does not pay for them.

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
    DataNotification,
    decode_apdu,
    encode_apdu,
)
from gbcs.errors import DecodeError
from gbcs.message import Payload
from gbcs.opaque import Opaque

Decrypt: TypeAlias = Callable[[bytes], bytes | None]

_APDU_TAGS = (ACCESS_REQUEST, ACCESS_RESPONSE, DATA_NOTIFICATION)
_GBZ_PROFILE = b"\x01\x09"


def decode_content(message_code: int, cra: int, content: bytes) -> Payload:
    """Return the content of a message of this code; cra is 1, 2 or 3.

    Content that is not of the form its code promises becomes `Opaque` and says why, so that one
    unknown type does not cost the whole message.
    """
    try:
        if content and content[0] in _APDU_TAGS:  # as is_apdu, without the cost of a call
            return decode_apdu(content)
        if content.startswith(_GBZ_PROFILE):
            from gbcs.gbz import decode_gbz

            return decode_gbz(content)
        from gbcs.asn1 import decode_asn1

        return decode_asn1(message_code, cra, content) or Opaque(content)
    except DecodeError as error:
        return Opaque(content, str(error))


def is_apdu(content: bytes) -> bool:
    """Return whether `content` begins as an APDU of DLMS does, whether or not it can be read."""
    return bool(content) and content[0] in _APDU_TAGS


def encode_content(payload: Payload) -> bytes:
    """Return the octets of a content. Raises `EncodeError` where a value has none."""
    if isinstance(payload, Opaque):
        return payload.octets
    if isinstance(payload, AccessRequest | AccessResponse | DataNotification):
        return encode_apdu(payload)
    from gbcs.gbz import GbzContent, encode_gbz

    if isinstance(payload, GbzContent):
        return encode_gbz(payload)
    from gbcs.asn1 import encode_asn1

    return encode_asn1(payload)


def encrypted_attributes(payload: Payload) -> list[bytes]:
    """Return the blobs of the encrypted attributes in a content, in their order.

    In DLMS they are octet-strings in the structure that a result or an alert is.
    """
    if isinstance(payload, AccessRequest):
        return []
    if isinstance(payload, AccessResponse):
        values = [result.data.value for result in payload.results]
    elif isinstance(payload, DataNotification):
        values = [payload.body.value]
    elif isinstance(payload, Opaque):
        return []
    else:
        from gbcs.gbz import Encrypted, GbzContent

        components = payload.components if isinstance(payload, GbzContent) else ()
        return [
            component.payload.blob
            for component in components
            if isinstance(component.payload, Encrypted)
        ]
    return [
        item.value
        for value in values
        if isinstance(value, tuple)
        for item in value
        if isinstance(item.value, bytes) and is_blob(item.value)
    ]


def with_plaintexts(payload: Payload, decrypt: Decrypt) -> Payload:
    """Return `payload` with decrypted attributes in their places, where its family has such."""
    if isinstance(payload, AccessRequest | AccessResponse | DataNotification | Opaque):
        return payload
    from gbcs.gbz import GbzContent, decrypt_components

    return decrypt_components(payload, decrypt) if isinstance(payload, GbzContent) else payload
