"""Calendar cluster (0707): the switching tables of tariffs and of friendly credit.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.9.
"""

from gbcs.gbz.atoms import DATE, ENUM8, TEXT, UINT8, UINT16, UINT32, UTC_TIME
from gbcs.gbz.clusters.base import Cluster, command, names
from gbcs.records import Record, Rows

_CALENDAR = (
    "provider_id" / UINT32,
    "issuer_event_id" / UINT32,
    "issuer_calendar_id" / UINT32,
)
_PART = ("command_index" / UINT8, "total_number_of_commands" / UINT8)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

CALENDAR = Cluster(
    0x0707,
    "Calendar",
    to_server={
        0x00: command(
            "Get Calendar",
            "earliest_start_time" / UTC_TIME,
            "min_issuer_event_id" / UINT32,
            "number_of_calendars" / UINT8,
            "calendar_type" / ENUM8,
            "provider_id" / UINT32,
        ),
        0x01: command(
            "Get Day Profiles",
            "provider_id" / UINT32,
            "issuer_calendar_id" / UINT32,
            "start_day_id" / UINT8,
            "number_of_days" / UINT8,
        ),
        0x02: command(
            "Get Week Profiles",
            "provider_id" / UINT32,
            "issuer_calendar_id" / UINT32,
            "start_week_id" / UINT8,
            "number_of_weeks" / UINT8,
        ),
        0x03: command("Get Seasons", "provider_id" / UINT32, "issuer_calendar_id" / UINT32),
        0x04: command(
            "Get Special Days",
            "start_time" / UTC_TIME,
            "number_of_events" / UINT8,
            "calendar_type" / ENUM8,
            "provider_id" / UINT32,
            "issuer_calendar_id" / UINT32,
        ),
    }
    | names({0x05: "Get Calendar Cancellation"}),
    to_client={
        0x00: command(
            "Publish Calendar",
            *_CALENDAR,
            "start_time" / UTC_TIME,
            "calendar_type" / ENUM8,
            "calendar_time_reference" / ENUM8,
            "calendar_name" / TEXT,
            "number_of_seasons" / UINT8,
            "number_of_week_profiles" / UINT8,
            "number_of_day_profiles" / UINT8,
        ),
        0x01: command(
            "Publish Day Profile",
            *_CALENDAR,
            "day_id" / UINT8,
            "total_number_of_schedule_entries" / UINT8,
            *_PART,
            "calendar_type" / ENUM8,
            "schedule_entries"
            / Rows(
                Record(
                    "start_time" / UINT16,  # minutes after midnight
                    "state" / UINT8,  # price tier, friendly credit enable, or switch states
                )
            ),
        ),
        0x02: command(
            "Publish Week Profile",
            *_CALENDAR,
            "week_id" / UINT8,
            *(f"day_id_ref_{day}" / UINT8 for day in _DAYS),
        ),
        0x03: command(
            "Publish Seasons",
            *_CALENDAR,
            *_PART,
            "seasons" / Rows(Record("start_date" / DATE, "week_id_ref" / UINT8)),
        ),
        0x04: command(
            "Publish Special Days",
            *_CALENDAR,
            "start_time" / UTC_TIME,
            "calendar_type" / ENUM8,
            "total_number_of_special_days" / UINT8,
            *_PART,
            "special_days" / Rows(Record("date" / DATE, "day_id_ref" / UINT8)),
        ),
    }
    | names({0x05: "Cancel Calendar"}),
    attributes={i: f"Aux Switch {i + 1} Label" for i in range(8)}
    | {0xFFFE: "Attribute Reporting Status"},
)
