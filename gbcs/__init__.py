"""GBCS v4.1 messages: decode, verify, decrypt, build, encrypt, sign and seal them.

>>> import gbcs
>>> gbcs.EUI.parse("00DB1234567890A0")
EUI('00DB1234567890A0')
"""

from gbcs.block_transfer import Reassembler, segment
from gbcs.codec import authenticate, decode, encode, open_message, read_content, sign
from gbcs.crypto.keystore import FileKeystore, Keystore, KeyUsage
from gbcs.errors import AuthenticationError, DecodeError, EncodeError, GbcsError, KeystoreError
from gbcs.eui import EUI
from gbcs.message import (
    CRA,
    UNSEALED,
    Alert,
    Command,
    Message,
    Protected,
    Response,
    Status,
    Supplementary,
)
from gbcs.opaque import Opaque

__all__ = [
    "CRA",
    "EUI",
    "UNSEALED",
    "Alert",
    "AuthenticationError",
    "Command",
    "DecodeError",
    "EncodeError",
    "FileKeystore",
    "GbcsError",
    "KeyUsage",
    "Keystore",
    "KeystoreError",
    "Message",
    "Opaque",
    "Protected",
    "Reassembler",
    "Response",
    "Status",
    "Supplementary",
    "authenticate",
    "decode",
    "encode",
    "open_message",
    "read_content",
    "segment",
    "sign",
]
