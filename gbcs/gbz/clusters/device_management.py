"""Device Management cluster (0708): tenancy, supplier, identifiers, event configuration.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.10.
"""

from construct import Error, Switch, this

from gbcs.gbz.atoms import (
    BITMAP8,
    BITMAP32,
    ENUM8,
    TEXT,
    UINT8,
    UINT16,
    UINT32,
    UTC_TIME,
)
from gbcs.gbz.clusters.base import Cluster, command, names
from gbcs.records import Record, Rows

_APPLY_BY_LIST, _APPLY_BY_GROUP, _APPLY_BY_LOG, _APPLY_BY_MATCH = range(4)
_EVENTS_TO_CONFIGURE = {
    _APPLY_BY_LIST: Rows(UINT16, UINT8),
    _APPLY_BY_GROUP: UINT16,
    _APPLY_BY_LOG: UINT8,
    _APPLY_BY_MATCH: UINT8,
}

DEVICE_MANAGEMENT = Cluster(
    0x0708,
    "Device Management",
    to_server={
        0x04: command(
            "Report Event Configuration",
            "command_index" / UINT8,
            "total_commands" / UINT8,
            "events" / Rows(Record("event_id" / UINT16, "event_configuration" / BITMAP8)),
        ),
    }
    | names(
        {
            0x00: "Get Change of Tenancy",
            0x01: "Get Change of Supplier",
            0x02: "Request New Password",
            0x03: "Get Site ID",
            0x05: "Get CIN",
        }
    ),
    to_client={
        0x00: command(
            "Publish Change of Tenancy",
            "provider_id" / UINT32,
            "issuer_event_id" / UINT32,
            "tariff_type" / BITMAP8,
            "implementation_date_time" / UTC_TIME,
            "proposed_tenancy_change_control" / BITMAP32,
        ),
        0x01: command(
            "Publish Change of Supplier",
            "current_provider_id" / UINT32,
            "issuer_event_id" / UINT32,
            "tariff_type" / BITMAP8,
            "proposed_provider_id" / UINT32,
            "provider_change_implementation_time" / UTC_TIME,
            "provider_change_control" / BITMAP32,
            "proposed_provider_name" / TEXT,
            "proposed_provider_contact_details" / TEXT,
        ),
        0x02: command(
            "Request New Password Response",
            "issuer_event_id" / UINT32,
            "implementation_date_time" / UTC_TIME,
            "duration_in_minutes" / UINT16,
            "password_type" / ENUM8,
            "password" / TEXT,
        ),
        0x03: command(
            "Update Site ID",
            "issuer_event_id" / UINT32,
            "site_id_time" / UTC_TIME,
            "provider_id" / UINT32,
            "site_id" / TEXT,
        ),
        0x04: command(
            "Set Event Configuration",
            "issuer_event_id" / UINT32,
            "start_date_time" / UTC_TIME,
            "event_configuration" / BITMAP8,
            "configuration_control" / ENUM8,
            "events" / Switch(this.configuration_control, _EVENTS_TO_CONFIGURE, Error),
        ),
        0x05: command("Get Event Configuration", "event_id" / UINT16),
        0x06: command(
            "Update CIN",
            "issuer_event_id" / UINT32,
            "cin_implementation_time" / UTC_TIME,
            "provider_id" / UINT32,
            "customer_id_number" / TEXT,
        ),
    },
    attributes={
        0x0100: "Provider ID",
        0x0101: "Provider Name",
        0x0102: "Provider Contact Details",
        0x0110: "Proposed Provider ID",
        0x0111: "Proposed Provider Name",
        0x0112: "Proposed Provider Change Date/Time",
        0x0113: "Proposed Provider Change Control",
        0x0114: "Proposed Provider Contact Details",
        0x0200: "Change of Tenancy Update Date/Time",
        0x0201: "Proposed Tenancy Change Control",
        0x0300: "WAN Status",
        0x0400: "Low Medium Threshold",
        0x0401: "Medium High Threshold",
        0xFFFE: "Attribute Reporting Status",
    },
)
