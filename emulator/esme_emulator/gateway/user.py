"""A user of DUIS: signs requests, and reads what the DSP (Data Service Provider) sends."""

import base64
import binascii
from dataclasses import dataclass

from esme_emulator.gateway.documents import REQUEST_NAMESPACE, RequestId
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.requests import DocumentError, Element, parse_xml
from esme_emulator.gateway.signature import SignatureError, sign, verify

MAX_RESPONSE = 1 << 24
"""Longest response that is read, in octets. A reading of 13 months has 205 KB in base64."""

_IN = f"{{{REQUEST_NAMESPACE}}}"


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """An acknowledgement or a response, with a valid signature of the DSP."""

    root: Element

    def text(self, name: str) -> str | None:
        """Return the text of the first element of this name, such as `ResponseCode`, or None."""
        found = self.root.find(f".//{_IN}{name}")
        return None if found is None else found.text

    @property
    def code(self) -> str:
        """The response code, such as I0 or E21."""
        return self.text("ResponseCode") or ""

    @property
    def request_id(self) -> RequestId | None:
        """The identity of the request, None in a response to none, as a schedule has them."""
        try:
            return RequestId.parse(self.text("RequestID") or "")
        except ValueError:
            return None

    @property
    def payload(self) -> bytes:
        """Its GBCS response; empty without one. Raises `DocumentError`."""
        try:
            return base64.b64decode(self.text("GBCSPayload") or "", validate=True)
        except binascii.Error:
            raise DocumentError("GBCSPayload is not base64") from None


def signed_by_originator(root: Element, keys: DuisKeys) -> bytes:
    """Return the octets of a request, signed by its originator.

    Raises `SignatureError` if `keys` has no private key of it.
    """
    text = root.findtext(f"{_IN}Header/{_IN}RequestID") or ""
    try:
        originator = RequestId.parse(text).originator
    except ValueError as error:
        raise SignatureError(str(error)) from None
    for signer in keys.signers.values():
        if signer.eui == originator:
            return sign(root, signer)
    raise SignatureError(f"no key of {originator} that signs requests: give --parties")


def read_response(octets: bytes, keys: DuisKeys) -> ReceivedResponse:
    """Return a response after checking that the DSP signed it.

    Raises `DocumentError` and `SignatureError`.
    """
    root, signer = verify(parse_xml(octets, MAX_RESPONSE), keys.signers, nested=True)
    if signer.eui != keys.dsp.eui:
        raise SignatureError(f"signed by {signer.eui}, which is not the DSP")
    return ReceivedResponse(root)
