"""GBZ, the ZigBee form of GBCS content: gas use cases, ZigBee device logs, and their alerts.

>>> content = decode_gbz(bytes.fromhex("0109 01 01 0702 0007 00 00 00 0000 0003"))
>>> read = content.components[0].payload["attributes"]
>>> [attribute_name(0x0702, item["attribute"]) for item in read]
['Current Summation Delivered', 'Unit of Measure']
"""

from gbcs.gbz.clusters import attribute_name, cluster_name
from gbcs.gbz.codec import decode_gbz, decrypt_components, encode_gbz
from gbcs.gbz.content import (
    PROFILE,
    Component,
    Encrypted,
    FirmwareHash,
    FutureDatedExecution,
    GbzAlert,
    GbzContent,
    IntegrityIssue,
)
from gbcs.gbz.json_form import from_json, to_json
from gbcs.gbz.payload import decode_payload, encode_payload
from gbcs.gbz.values import Fields, Instant, Opaque, Value

__all__ = [
    "PROFILE",
    "Component",
    "Encrypted",
    "Fields",
    "FirmwareHash",
    "FutureDatedExecution",
    "GbzAlert",
    "GbzContent",
    "Instant",
    "IntegrityIssue",
    "Opaque",
    "Value",
    "attribute_name",
    "cluster_name",
    "decode_gbz",
    "decode_payload",
    "decrypt_components",
    "encode_gbz",
    "encode_payload",
    "from_json",
    "to_json",
]
