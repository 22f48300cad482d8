"""Events cluster (0709): logs of a device's events.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.11.
"""

from gbcs.gbz.atoms import BITMAP8, ENUM8, OCTET_STRING, UINT8, UINT16, UTC_TIME
from gbcs.gbz.clusters.base import Cluster, command
from gbcs.records import Record, Rows

_EVENT = ("log_id" / ENUM8, "event_id" / UINT16, "event_time" / UTC_TIME)

EVENTS = Cluster(
    0x0709,
    "Events",
    to_server={
        0x00: command(
            "Get Event Log",
            "event_control_and_log_id" / BITMAP8,
            "event_id" / UINT16,
            "start_time" / UTC_TIME,
            "end_time" / UTC_TIME,
            "number_of_events" / UINT8,
            "event_offset" / UINT16,
        ),
        0x01: command("Clear Event Log Request", "log_id" / ENUM8),
    },
    to_client={
        0x00: command(
            "Publish Event", *_EVENT, "event_control" / BITMAP8, "event_data" / OCTET_STRING
        ),
        0x01: command(
            "Publish Event Log",
            "total_number_of_matching_events" / UINT16,
            "command_index" / UINT8,
            "total_commands" / UINT8,
            "number_of_events_and_log_payload_control" / BITMAP8,
            "events" / Rows(Record(*_EVENT, "event_data" / OCTET_STRING)),
        ),
        0x02: command("Clear Event Log Response", "cleared_event_logs" / BITMAP8),
    },
)
