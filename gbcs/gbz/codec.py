"""decode_gbz() and encode_gbz(): GBZ content to dataclasses and back.

Knows the profile, the alert header and the list of components; other modules read what is in them.
Knows no cryptography: the caller's function opens encrypted components.

Source: GBCS v4.1 clause 7.2.10; all GBZ vectors.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from construct import Int8ub, Int16ub

from gbcs.errors import DecodeError, EncodeError
from gbcs.gbz.alerts import decode_detail, encode_detail
from gbcs.gbz.atoms import GBZ_TIME, REST
from gbcs.gbz.components import decode_components, encode_components
from gbcs.gbz.content import PROFILE, Component, Encrypted, GbzAlert, GbzContent
from gbcs.gbz.payload import decode_payload
from gbcs.gbz.values import Opaque
from gbcs.records import Record
from gbcs.wire import Schema

_CONTENT = Schema("gbz", Record("profile" / Int16ub, "components" / REST))
_ALERT = Schema(
    "gbz",
    Record(
        "profile" / Int16ub,
        "number_of_components" / Int8ub,
        "code" / Int16ub,
        "time" / GBZ_TIME,
        "detail" / REST,
    ),
)
_ALERT_MARK = 0x80  # top bit of an alert code; the octet in its place is else a control field


def decode_gbz(content: bytes) -> GbzContent:
    """Return the content of a message in GBZ form.

    An alert is recognised by its code: alert codes of GBCS have the top bit set, and an extended
    header control field never has. ZCL payloads and alert details of unknown layout are `Opaque`.
    Raises `DecodeError` if the structure around them is broken.

    >>> decode_gbz(bytes.fromhex("010901010709000409050210")).components[0].command_name
    'Clear Event Log Response'
    """
    if len(content) > 3 and content[3] & _ALERT_MARK:
        return _decode_alert(_ALERT.parse(content))
    fields = _CONTENT.parse(content)
    return GbzContent(_profile(fields), decode_components(fields["components"]))


def encode_gbz(content: GbzContent) -> bytes:
    """Return the octets of `content`. Raises `EncodeError` if a field does not fit its place."""
    if content.profile != PROFILE:
        raise EncodeError(f"{content.profile!r}; give {PROFILE}, Smart Energy", "gbz.profile")
    components = encode_components(content.components)
    if content.alert is None:
        return _CONTENT.build({"profile": PROFILE, "components": components})
    return _encode_alert(content.alert, components)


def decrypt_components(content: GbzContent, decrypt: Callable[[bytes], bytes | None]) -> GbzContent:
    """Return `content` with the plaintexts of its encrypted components.

    `decrypt` takes a blob (security control 31, invocation counter, ciphertext, tag) and returns
    its plaintext, None without a key. Exceptions that it raises are not caught.
    """
    opened = [_decrypt(component, decrypt) for component in content.components]
    return replace(content, components=tuple(opened))


def _decrypt(component: Component, decrypt: Callable[[bytes], bytes | None]) -> Component:
    payload = component.payload
    octets = decrypt(payload.blob) if isinstance(payload, Encrypted) else None
    if octets is None or not isinstance(payload, Encrypted):
        return component
    plaintext = decode_payload(
        component.cluster, component.frame_control, component.command, octets
    )
    return replace(component, payload=replace(payload, plaintext=plaintext))


def _profile(fields: Any) -> int:
    profile: int = fields["profile"]
    if profile != PROFILE:
        raise DecodeError(f"{profile:04X} is not {PROFILE:04X}, Smart Energy", "gbz.profile")
    return profile


def _decode_alert(fields: Any) -> GbzContent:
    profile, code, octets = _profile(fields), fields["code"], fields["detail"]
    number = fields["number_of_components"]
    detail = decode_detail(code, octets) if octets else None
    components: tuple[Component, ...] = ()
    # A detail of unknown layout may be components, as in alert 8F0A; if not, it stays octets.
    if isinstance(detail, Opaque) and number:
        try:
            components, detail = decode_components(bytes((number,)) + octets), None
        except DecodeError:
            components = ()
    return GbzContent(profile, components, GbzAlert(code, fields["time"], detail, number))


def _encode_alert(alert: GbzAlert, components: bytes) -> bytes:
    number, octets = components[0], components[1:]
    if not alert.code & (_ALERT_MARK << 8):
        raise EncodeError(f"{alert.code:04X} is not an alert code of GBCS", "gbz.alert.code")
    if number and (alert.detail is not None or number != alert.number_of_components):
        raise EncodeError(
            "give either a detail, or as many components as the alert says", "gbz.alert.detail"
        )
    if alert.detail is not None:
        octets = encode_detail(alert.code, alert.detail)
    return _ALERT.build(
        {
            "profile": PROFILE,
            "number_of_components": alert.number_of_components,
            "code": alert.code,
            "time": alert.time,
            "detail": octets,
        }
    )
