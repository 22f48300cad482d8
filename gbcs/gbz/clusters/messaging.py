"""Messaging cluster (0703): text for the display.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.5.
"""

from construct import Optional

from gbcs.gbz.atoms import BITMAP8, TEXT, UINT16, UINT32, UTC_TIME
from gbcs.gbz.clusters.base import Cluster, command, names

MESSAGING = Cluster(
    0x0703,
    "Messaging",
    to_server=names(
        {
            0x00: "Get Last Message",
            0x01: "Message Confirmation",
            0x02: "Get Message Cancellation",
        }
    ),
    to_client={
        0x00: command(
            "Display Message",
            "message_id" / UINT32,
            "message_control" / BITMAP8,
            "start_time" / UTC_TIME,
            "duration_in_minutes" / UINT16,
            "message" / TEXT,
            "extended_message_control" / Optional(BITMAP8),
        ),
        0x01: command("Cancel Message", "message_id" / UINT32, "message_control" / BITMAP8),
    }
    | names({0x02: "Display Protected Message", 0x03: "Cancel All Messages"}),
)
