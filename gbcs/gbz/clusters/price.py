"""Price cluster (0700): tariffs, thresholds, prices, billing periods, calorific values.

Source: ZigBee Smart Energy Standard 1.4, 07-5356, annex D.4; only attributes of delivered energy.
"""

from construct import Computed, this

from gbcs.gbz.atoms import (
    BITMAP8,
    ENUM8,
    REST,
    TEXT,
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
_PART = ("command_index" / UINT8, "total_number_of_commands" / UINT8)

PRICE = Cluster(
    0x0700,
    "Price",
    to_server={
        0x00: command("Get Current Price", "command_options" / BITMAP8),
        0x0B: command(
            "Get Billing Period",
            "earliest_start_time" / UTC_TIME,
            "min_issuer_event_id" / UINT32,
            "number_of_commands" / UINT8,
            "tariff_type" / BITMAP8,
        ),
    }
    | names(
        {
            0x01: "Get Scheduled Prices",
            0x02: "Price Acknowledgement",
            0x03: "Get Block Period(s)",
            0x04: "Get Conversion Factor",
            0x05: "Get Calorific Value",
            0x06: "Get Tariff Information",
            0x07: "Get Price Matrix",
            0x08: "Get Block Thresholds",
            0x09: "Get CO2 Value",
            0x0A: "Get Tier Labels",
            0x0C: "Get Consolidated Bill",
            0x0D: "CPP Event Response",
            0x0E: "Get Credit Payment",
            0x0F: "Get Currency Conversion",
            0x10: "Get Tariff Cancellation",
        }
    ),
    to_client={
        0x00: command(
            "Publish Price",
            "provider_id" / UINT32,
            "rate_label" / TEXT,
            "issuer_event_id" / UINT32,
            "current_time" / UTC_TIME,
            "unit_of_measure" / ENUM8,
            "currency" / UINT16,
            "price_trailing_digit_and_price_tier" / BITMAP8,
            "number_of_price_tiers_and_register_tier" / BITMAP8,
            "start_time" / UTC_TIME,
            "duration_in_minutes" / UINT16,
            "price" / UINT32,
            "further" / REST,  # 19 octets without meaning may follow (GBCS, GCS21f)
        ),
        0x01: command(
            "Publish Block Period",
            *_ISSUED,
            "block_period_start_time" / UTC_TIME,
            "block_period_duration" / UINT24,
            "block_period_control" / BITMAP8,
            "block_period_duration_type" / BITMAP8,
            "tariff_type" / BITMAP8,
            "tariff_resolution_period" / ENUM8,
        ),
        0x02: command(
            "Publish Conversion Factor",
            "issuer_event_id" / UINT32,
            "start_time" / UTC_TIME,
            "conversion_factor" / UINT32,
            "conversion_factor_trailing_digit" / BITMAP8,
        ),
        0x03: command(
            "Publish Calorific Value",
            "issuer_event_id" / UINT32,
            "start_time" / UTC_TIME,
            "calorific_value" / UINT32,
            "calorific_value_unit" / ENUM8,
            "calorific_value_trailing_digit" / BITMAP8,
        ),
        0x04: command(
            "Publish Tariff Information",
            *_ISSUED,
            "issuer_tariff_id" / UINT32,
            "start_time" / UTC_TIME,
            "tariff_type_and_charging_scheme" / BITMAP8,
            "tariff_label" / TEXT,
            "number_of_price_tiers_in_use" / UINT8,
            "number_of_block_thresholds_in_use" / UINT8,
            "unit_of_measure" / ENUM8,
            "currency" / UINT16,
            "price_trailing_digit" / BITMAP8,
            "standing_charge" / UINT32,
            "tier_block_mode" / UINT8,
            "block_threshold_multiplier" / UINT24,
            "block_threshold_divisor" / UINT24,
        ),
        0x05: command(
            "Publish Price Matrix",
            *_ISSUED,
            "start_time" / UTC_TIME,
            "issuer_tariff_id" / UINT32,
            *_PART,
            "sub_payload_control" / BITMAP8,
            "prices" / Rows(Record("tier_block_id" / UINT8, "price" / UINT32)),
        ),
        0x06: command(
            "Publish Block Thresholds",
            *_ISSUED,
            "start_time" / UTC_TIME,
            "issuer_tariff_id" / UINT32,
            *_PART,
            "sub_payload_control" / BITMAP8,
            "tiers"
            / Rows(
                Record(
                    "tier_and_number_of_thresholds" / BITMAP8,
                    "thresholds"
                    / Rows(UINT48, Computed(this.tier_and_number_of_thresholds & 0x0F)),
                )
            ),
        ),
        0x09: command(
            "Publish Billing Period",
            *_ISSUED,
            "billing_period_start_time" / UTC_TIME,
            "billing_period_duration" / UINT24,
            "billing_period_duration_type" / BITMAP8,
            "tariff_type" / BITMAP8,
        ),
    }
    | names(
        {
            0x07: "Publish CO2 Value",
            0x08: "Publish Tier Labels",
            0x0A: "Publish Consolidated Bill",
            0x0B: "Publish CPP Event",
            0x0C: "Publish Credit Payment",
            0x0D: "Publish Currency Conversion",
            0x0E: "Cancel Tariff",
        }
    ),
    attributes={0x0000 + i: f"Tier {i + 1} Price Label" for i in range(48)}
    | {0x0100 + i: f"Block {i + 1} Threshold" for i in range(15)}
    | {
        0x0100 + 16 * t + i: f"Tier {t} Block {i + 1} Threshold"
        for t in range(1, 16)
        for i in range(15)
    }
    | {0x010F + 16 * t: f"Tier {t} Block Threshold Count" for t in range(1, 16)}
    | {0x0400 + i: f"No Tier Block {i + 1} Price" for i in range(16)}
    | {
        0x0400 + 16 * t + i: f"Tier {t} Block {i + 1} Price"
        for t in range(1, 16)
        for i in range(16)
    }
    | {0x04FF + t: f"Price Tier {t}" for t in range(16, 49)}
    | {
        0x010F: "Block Threshold Count",
        0x0200: "Start of Block Period",
        0x0201: "Block Period Duration",
        0x0202: "Threshold Multiplier",
        0x0203: "Threshold Divisor",
        0x0204: "Block Period Duration Type",
        0x0300: "Commodity Type",
        0x0301: "Standing Charge",
        0x0302: "Conversion Factor",
        0x0303: "Conversion Factor Trailing Digit",
        0x0304: "Calorific Value",
        0x0305: "Calorific Value Unit",
        0x0306: "Calorific Value Trailing Digit",
        0x05FE: "CPP 1 Price",
        0x05FF: "CPP 2 Price",
        0x0610: "Tariff Label",
        0x0611: "Number of Price Tiers in Use",
        0x0612: "Number of Block Thresholds in Use",
        0x0613: "Tier Block Mode",
        0x0615: "Unit of Measure",
        0x0616: "Currency",
        0x0617: "Price Trailing Digit",
        0x0619: "Tariff Resolution Period",
        0x0620: "CO2",
        0x0621: "CO2 Unit",
        0x0622: "CO2 Trailing Digit",
        0x0700: "Current Billing Period Start",
        0x0701: "Current Billing Period Duration",
        0x0702: "Last Billing Period Start",
        0x0703: "Last Billing Period Duration",
        0x0704: "Last Billing Period Consolidated Bill",
        0xFFFE: "Attribute Reporting Status",
    },
)
