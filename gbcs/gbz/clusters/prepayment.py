"""Prepayment cluster (0705): credit, debt, top-ups, payment mode, prepayment snapshots.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.7. Money is in thousandths of pence.
"""

from construct import Switch, this

from gbcs.gbz.atoms import (
    BITMAP32,
    ENUM8,
    INT32,
    REST,
    TEXT,
    UINT8,
    UINT16,
    UINT32,
    UTC_TIME,
)
from gbcs.gbz.clusters.base import Cluster, command
from gbcs.records import Record, Rows

_ISSUED = ("provider_id" / UINT32, "issuer_event_id" / UINT32)
_PART = ("command_index" / UINT8, "total_number_of_commands" / UINT8)

_DEBT_CREDIT_STATUS = 0
_SNAPSHOT_PAYLOADS = {
    _DEBT_CREDIT_STATUS: Record(
        "accumulated_debt" / INT32,
        "type_1_debt_remaining" / UINT32,
        "type_2_debt_remaining" / UINT32,
        "type_3_debt_remaining" / UINT32,
        "emergency_credit_remaining" / INT32,
        "credit_remaining" / INT32,
    ),
}

PREPAYMENT = Cluster(
    0x0705,
    "Prepayment",
    to_server={
        0x00: command(
            "Select Available Emergency Credit",
            "command_issue_date_time" / UTC_TIME,
            "originating_device" / ENUM8,
        ),
        0x02: command(
            "Change Debt",
            "issuer_event_id" / UINT32,
            "debt_label" / TEXT,
            "debt_amount" / INT32,
            "debt_recovery_method" / ENUM8,
            "debt_amount_type" / ENUM8,
            "debt_recovery_start_time" / UTC_TIME,
            "debt_recovery_collection_time" / UINT16,
            "debt_recovery_frequency" / ENUM8,
            "debt_recovery_amount" / INT32,
            "debt_recovery_balance_percentage" / UINT16,
        ),
        0x03: command(
            "Emergency Credit Setup",
            "issuer_event_id" / UINT32,
            "start_time" / UTC_TIME,
            "emergency_credit_limit" / UINT32,
            "emergency_credit_threshold" / UINT32,
        ),
        0x04: command(
            "Consumer Top Up",
            "originating_device" / ENUM8,
            "top_up_code" / TEXT,  # the 20 digits of a UTRN
        ),
        0x05: command(
            "Credit Adjustment",
            "issuer_event_id" / UINT32,
            "start_time" / UTC_TIME,
            "credit_adjustment_type" / ENUM8,
            "credit_adjustment_value" / INT32,
        ),
        0x06: command(
            "Change Payment Mode",
            *_ISSUED,
            "implementation_date_time" / UTC_TIME,
            "proposed_payment_control_configuration" / UINT16,
            "cut_off_value" / INT32,
        ),
        0x07: command(
            "Get Prepay Snapshot",
            "earliest_start_time" / UTC_TIME,
            "latest_end_time" / UTC_TIME,
            "snapshot_offset" / UINT8,
            "snapshot_cause" / BITMAP32,
        ),
        0x08: command("Get Top Up Log", "latest_end_time" / UTC_TIME, "number_of_records" / UINT8),
        0x09: command("Set Low Credit Warning Level", "low_credit_warning_level" / UINT32),
        0x0A: command(
            "Get Debt Repayment Log",
            "latest_end_time" / UTC_TIME,
            "number_of_debts" / UINT8,
            "debt_type" / ENUM8,
        ),
        0x0B: command(
            "Set Maximum Credit Limit",
            *_ISSUED,
            "implementation_date_time" / UTC_TIME,
            "maximum_credit_level" / UINT32,
            "maximum_credit_per_top_up" / UINT32,
        ),
        0x0C: command(
            "Set Overall Debt Cap",
            *_ISSUED,
            "implementation_date_time" / UTC_TIME,
            "overall_debt_cap" / INT32,
        ),
    },
    to_client={
        0x01: command(
            "Publish Prepay Snapshot",
            "snapshot_id" / UINT32,
            "snapshot_time" / UTC_TIME,
            "total_snapshots_found" / UINT8,
            *_PART,
            "snapshot_cause" / BITMAP32,
            "snapshot_payload_type" / ENUM8,
            "snapshot_payload" / Switch(this.snapshot_payload_type, _SNAPSHOT_PAYLOADS, REST),
        ),
        0x02: command(
            "Change Payment Mode Response",
            "friendly_credit" / UINT8,
            "friendly_credit_calendar_id" / UINT32,
            "emergency_credit_limit" / UINT32,
            "emergency_credit_threshold" / UINT32,
        ),
        0x03: command(
            "Consumer Top Up Response",
            "result_type" / ENUM8,
            "top_up_value" / INT32,
            "source_of_top_up" / ENUM8,
            "credit_remaining" / INT32,
        ),
        0x05: command(
            "Publish Top Up Log",
            *_PART,
            "top_ups" / Rows(Record("code" / TEXT, "amount" / INT32, "time" / UTC_TIME)),
        ),
        0x06: command(
            "Publish Debt Log",
            *_PART,
            "debts"
            / Rows(
                Record(
                    "collection_time" / UTC_TIME,
                    "amount_collected" / INT32,
                    "debt_type" / ENUM8,
                    "outstanding_debt" / UINT32,
                )
            ),
        ),
    },
    attributes={
        0x0100 + 16 * (n - 1) + i: f"{label} #{n}"
        for n in range(1, 6)
        for i, label in enumerate(
            ("Top Up Date/Time", "Top Up Amount", "Originating Device", "Top Up Code")
        )
    }
    | {
        0x0200 + 16 * n + i: f"{label} #{n}"
        for n in range(1, 4)
        for i, label in {
            0x0: "Debt Label",
            0x1: "Debt Amount",
            0x2: "Debt Recovery Method",
            0x3: "Debt Recovery Start Time",
            0x4: "Debt Recovery Collection Time",
            0x6: "Debt Recovery Frequency",
            0x7: "Debt Recovery Amount",
            0x9: "Debt Recovery Top Up Percentage",
        }.items()
    }
    | {
        0x0000: "Payment Control Configuration",
        0x0001: "Credit Remaining",
        0x0002: "Emergency Credit Remaining",
        0x0003: "Credit Status",
        0x0004: "Credit Remaining Timestamp",
        0x0005: "Accumulated Debt",
        0x0006: "Overall Debt Cap",
        0x0010: "Emergency Credit Limit / Allowance",
        0x0011: "Emergency Credit Threshold",
        0x0020: "Total Credit Added",
        0x0021: "Max Credit Limit",
        0x0022: "Max Credit Per Top Up",
        0x0030: "Friendly Credit Warning",
        0x0031: "Low Credit Warning",
        0x0032: "IHD Low Credit Warning",
        0x0033: "Interrupt Suspend Time",
        0x0034: "Remaining Friendly Credit Time",
        0x0035: "Next Friendly Credit Period",
        0x0040: "Cut Off Value",
        0x0080: "Token Carrier ID",
        0x0400: "Prepayment Alarm Status",
        0x0401: "Prepay Generic Alarm Mask",
        0x0402: "Prepay Switch Alarm Mask",
        0x0403: "Prepay Event Alarm Mask",
        0x0500: "Historical Cost Consumption Formatting",
        0x0501: "Consumption Unit of Measurement",
        0x0502: "Currency Scaling Factor",
        0x0503: "Currency",
        0xFFFE: "Attribute Reporting Status",
    },
)
