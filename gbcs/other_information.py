"""The other information of the grouping header: message code, and the party behind the ACB.

Source: GBCS v4.1 clause 7.2.7; vectors show lengths 2, 18, 26 and those with a certificate.
"""

from gbcs.errors import DecodeError, EncodeError
from gbcs.eui import EUI
from gbcs.message import Supplementary

_PATH = "message.other_information"
# Where each field ends: message code, party, its counter, the device's own counter.
_CODE, _PARTY, _COUNTER, _OWN_COUNTER = 2, 10, 18, 26


def read_other_information(octets: bytes) -> tuple[int, Supplementary | None]:
    """Return message code and supplementary party. Raises `DecodeError` for any other length."""
    code = int.from_bytes(octets[:_CODE], "big")
    if len(octets) == _CODE:
        return code, None
    if len(octets) not in (_PARTY, _COUNTER) and len(octets) < _OWN_COUNTER:
        raise DecodeError(f"{len(octets)} octets; it has 2, 10, 18, 26 or more", _PATH)
    party = EUI(octets[_CODE:_PARTY])
    if len(octets) == _PARTY:
        return code, Supplementary(party)
    counter = int.from_bytes(octets[_PARTY:_COUNTER], "big")
    rest = octets[_COUNTER:]
    if not rest:
        return code, Supplementary(party, counter)
    # 26 octets end with the device's counter; more can only be a certificate, which is longer.
    if len(octets) == _OWN_COUNTER:
        return code, Supplementary(party, counter, int.from_bytes(rest, "big"))
    return code, Supplementary(party, counter, None, rest)


def write_other_information(code: int, supplementary: Supplementary | None) -> bytes:
    """Return the octets. Raises `EncodeError` if a number is too big or fields contradict."""
    try:
        octets = code.to_bytes(_CODE, "big")
        if supplementary is None:
            return octets
        octets += supplementary.party
        if supplementary.party_counter is not None:
            octets += supplementary.party_counter.to_bytes(8, "big")
        if supplementary.originator_counter is not None:
            octets += supplementary.originator_counter.to_bytes(8, "big")
        octets += supplementary.certificate
    except (AttributeError, OverflowError, TypeError):
        raise EncodeError("a message code has 16 bits and a counter 64", _PATH) from None
    # Fields have no tags, only lengths: a combination that reads back otherwise is refused.
    try:
        unchanged = read_other_information(octets) == (code, supplementary)
    except DecodeError:
        unchanged = False
    if not unchanged:
        raise EncodeError("the fields of the supplementary party contradict each other", _PATH)
    return octets
