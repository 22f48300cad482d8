"""Metering cluster (0702): registers, profile and network data, snapshots, the supply valve.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.3; only attributes of delivered energy.
"""

from construct import Switch, this

from gbcs.gbz.atoms import (
    BITMAP8,
    BITMAP32,
    ENUM8,
    REST,
    UINT8,
    UINT16,
    UINT24,
    UINT32,
    UINT48,
    UTC_TIME,
)
from gbcs.gbz.clusters.base import Cluster, command, names
from gbcs.records import Record, Rows

_ISSUED = ("provider_id" / UINT32, "issuer_event_id" / UINT32)

_BLOCK_TIER_DELIVERED_NO_BILLING = 6
_SNAPSHOT_PAYLOADS = {
    _BLOCK_TIER_DELIVERED_NO_BILLING: Record(
        "current_summation_delivered" / UINT48,
        "tier_summations" / Rows(UINT48, UINT8),
        "number_of_tiers_and_block_thresholds_in_use" / BITMAP8,
        "tier_block_summations" / Rows(UINT48),
    ),
}

METERING = Cluster(
    0x0702,
    "Metering",
    to_server={
        0x00: command(
            "Get Profile",
            "interval_channel" / ENUM8,
            "end_time" / UTC_TIME,
            "number_of_periods" / UINT8,
        ),
        0x06: command(
            "Get Snapshot",
            "earliest_start_time" / UTC_TIME,
            "latest_end_time" / UTC_TIME,
            "snapshot_offset" / UINT8,
            "snapshot_cause" / BITMAP32,
        ),
        0x07: command(
            "Start Sampling",
            "issuer_event_id" / UINT32,
            "start_sampling_time" / UTC_TIME,
            "sample_type" / ENUM8,
            "sample_request_interval" / UINT16,
            "max_number_of_samples" / UINT16,
        ),
        0x08: command(
            "Get Sampled Data",
            "sample_id" / UINT16,
            "earliest_sample_time" / UTC_TIME,
            "sample_type" / ENUM8,
            "number_of_samples" / UINT16,
        ),
        0x0B: command(
            "Change Supply",
            *_ISSUED,
            "request_date_time" / UTC_TIME,
            "implementation_date_time" / UTC_TIME,
            "proposed_supply_status" / ENUM8,
            "supply_control_bits" / BITMAP8,
        ),
        0x0D: command(
            "Set Supply Status",
            "issuer_event_id" / UINT32,
            "supply_tamper_state" / ENUM8,
            "supply_depletion_state" / ENUM8,
            "supply_uncontrolled_flow_state" / ENUM8,
            "load_limit_supply_state" / ENUM8,
        ),
        0x0E: command(
            "Set Uncontrolled Flow Threshold",
            *_ISSUED,
            "uncontrolled_flow_threshold" / UINT16,
            "unit_of_measure" / ENUM8,
            "multiplier" / UINT16,
            "divisor" / UINT16,
            "stabilisation_period" / UINT8,  # tenths of a second
            "measurement_period" / UINT16,  # seconds
        ),
    }
    | names(
        {
            0x01: "Request Mirror Response",
            0x02: "Mirror Removed",
            0x03: "Request Fast Poll Mode",
            0x04: "Schedule Snapshot",
            0x05: "Take Snapshot",
            0x09: "Mirror Report Attribute Response",
            0x0A: "Reset Load Limit Counter",
            0x0C: "Local Change Supply",
        }
    ),
    to_client={
        0x00: command(
            "Get Profile Response",
            "end_time" / UTC_TIME,
            "profile_status" / ENUM8,
            "profile_interval_period" / ENUM8,
            "intervals" / Rows(UINT24, UINT8),
        ),
        0x06: command(
            "Publish Snapshot",
            "snapshot_id" / UINT32,
            "snapshot_time" / UTC_TIME,
            "total_snapshots_found" / UINT8,
            "command_index" / UINT8,
            "total_number_of_commands" / UINT8,
            "snapshot_cause" / BITMAP32,
            "snapshot_payload_type" / ENUM8,
            "snapshot_payload" / Switch(this.snapshot_payload_type, _SNAPSHOT_PAYLOADS, REST),
        ),
        0x07: command(
            "Get Sampled Data Response",
            "sample_id" / UINT16,
            "sample_start_time" / UTC_TIME,
            "sample_type" / ENUM8,
            "sample_request_interval" / UINT16,  # seconds
            "samples" / Rows(UINT24, UINT16),
        ),
        0x0C: command(
            "Supply Status Response",
            *_ISSUED,
            "implementation_date_time" / UTC_TIME,
            "supply_status" / ENUM8,
        ),
        0x0D: command("Start Sampling Response", "sample_id" / UINT16),
    }
    | names(
        {
            0x01: "Request Mirror",
            0x02: "Remove Mirror",
            0x03: "Request Fast Poll Mode Response",
            0x04: "Schedule Snapshot Response",
            0x05: "Take Snapshot Response",
            0x08: "Configure Mirror",
            0x09: "Configure Notification Scheme",
            0x0A: "Configure Notification Flags",
            0x0B: "Get Notified Message",
        }
    ),
    attributes={
        0x0100 + 2 * (tier - 1): f"Current Tier {tier} Summation Delivered" for tier in range(1, 49)
    }
    | {0x0700 + i: f"Current No Tier Block {i + 1} Summation Delivered" for i in range(16)}
    | {
        0x0700 + 16 * tier + i: f"Current Tier {tier} Block {i + 1} Summation Delivered"
        for tier in range(1, 16)
        for i in range(16)
    }
    | {
        0x0000: "Current Summation Delivered",
        0x0001: "Current Summation Received",
        0x0002: "Current Max Demand Delivered",
        0x0003: "Current Max Demand Received",
        0x0005: "Daily Freeze Time",
        0x0006: "Power Factor",
        0x0007: "Reading Snapshot Time",
        0x000A: "Default Update Period",
        0x000B: "Fast Poll Update Period",
        0x000C: "Current Block Period Consumption Delivered",
        0x000D: "Daily Consumption Target",
        0x000E: "Current Block",
        0x000F: "Profile Interval Period",
        0x0011: "Preset Reading Time",
        0x0012: "Volume Per Report",
        0x0013: "Flow Restriction",
        0x0014: "Supply Status",
        0x001C: "Previous Block Period Consumption Delivered",
        0x0020: "Active Register Tier Delivered",
        0x0022: "Last Block Switch Time",
        0x0200: "Status",
        0x0201: "Remaining Battery Life",
        0x0202: "Hours in Operation",
        0x0203: "Hours in Fault",
        0x0204: "Extended Status",
        0x0205: "Remaining Battery Life in Days",
        0x0206: "Current Meter ID",
        0x0207: "Ambient Consumption Indicator",
        0x0300: "Unit of Measure",
        0x0301: "Multiplier",
        0x0302: "Divisor",
        0x0303: "Summation Formatting",
        0x0304: "Demand Formatting",
        0x0305: "Historical Consumption Formatting",
        0x0306: "Metering Device Type",
        0x0307: "Site ID",
        0x0308: "Meter Serial Number",
        0x030E: "Module Serial Number",
        0x030F: "Operating Tariff Label Delivered",
        0x0311: "Customer ID Number",
        0x0312: "Alternative Unit of Measure",
        0x0313: "Alternative Demand Formatting",
        0x0314: "Alternative Consumption Formatting",
        0x0400: "Instantaneous Demand",
        0x0401: "Current Day Consumption Delivered",
        0x0403: "Previous Day Consumption Delivered",
        0x0430: "Current Week Consumption Delivered",
        0x0432: "Previous Week Consumption Delivered",
        0x0440: "Current Month Consumption Delivered",
        0x0442: "Previous Month Consumption Delivered",
        0x045C: "Historical Freeze Time",
        0x0500: "Max Number of Periods Delivered",
        0x0600: "Current Demand Delivered",
        0x0601: "Demand Limit",
        0x0605: "Load Limit Supply State",
        0x0606: "Load Limit Counter",
        0x0607: "Supply Tamper State",
        0x0608: "Supply Depletion State",
        0x0609: "Supply Uncontrolled Flow State",
        0x0800: "Generic Alarm Mask",
        0x0802: "Generic Flow/Pressure Alarm Mask",
        0x0805: "Gas Specific Alarm Mask",
        0x0806: "Extended Generic Alarm Mask",
        0x0A00: "Bill to Date Delivered",
        0x0A01: "Bill to Date Time Stamp Delivered",
        0x0A02: "Projected Bill Delivered",
        0x0A03: "Projected Bill Time Stamp Delivered",
        0x0A04: "Bill Delivered Trailing Digit",
        0x0B00: "Proposed Change Supply Implementation Time",
        0x0B01: "Proposed Change Supply Status",
        0x0B10: "Uncontrolled Flow Threshold",
        0x0B11: "Uncontrolled Flow Threshold Unit of Measure",
        0x0B12: "Uncontrolled Flow Multiplier",
        0x0B13: "Uncontrolled Flow Divisor",
        0x0B14: "Flow Stabilisation Period",
        0x0B15: "Flow Measurement Period",
        0xFFFE: "Attribute Reporting Status",
    },
)
