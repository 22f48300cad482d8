"""Clusters that GBCS names but whose commands are not sent as GBZ: names only.

Source: ZigBee Cluster Library Specification, 07-5123 (0000 to 0025); ZigBee Smart Energy Standard
1.4, 07-5356, annexes C and D (0701 to 0800).
"""

from gbcs.gbz.clusters.base import Cluster, names

OTHERS = (
    Cluster(
        0x0000,
        "Basic",
        to_server=names({0x00: "Reset to Factory Defaults"}),
        attributes={
            0x0000: "ZCL Version",
            0x0001: "Application Version",
            0x0002: "Stack Version",
            0x0003: "HW Version",
            0x0004: "Manufacturer Name",
            0x0005: "Model Identifier",
            0x0006: "Date Code",
            0x0007: "Power Source",
            0x0010: "Location Description",
            0x0011: "Physical Environment",
            0x0012: "Device Enabled",
            0x4000: "SW Build ID",
        },
    ),
    Cluster(0x0003, "Identify"),
    Cluster(
        0x000A,
        "Time",
        attributes={
            0x0000: "Time",
            0x0001: "Time Status",
            0x0002: "Time Zone",
            0x0003: "DST Start",
            0x0004: "DST End",
            0x0005: "DST Shift",
            0x0006: "Standard Time",
            0x0007: "Local Time",
            0x0008: "Last Set Time",
            0x0009: "Valid Until Time",
        },
    ),
    Cluster(
        0x0019,
        "OTA Upgrade",
        to_server=names(
            {
                0x01: "Query Next Image Request",
                0x03: "Image Block Request",
                0x04: "Image Page Request",
                0x06: "Upgrade End Request",
                0x08: "Query Specific File Request",
            }
        ),
        to_client=names(
            {
                0x00: "Image Notify",
                0x02: "Query Next Image Response",
                0x05: "Image Block Response",
                0x07: "Upgrade End Response",
                0x09: "Query Specific File Response",
            }
        ),
    ),
    Cluster(
        0x0025, "Keep-Alive", attributes={0x0000: "Keep-Alive Base", 0x0001: "Keep-Alive Jitter"}
    ),
    Cluster(
        0x0701,
        "Demand Response and Load Control",
        to_server=names({0x00: "Report Event Status", 0x01: "Get Scheduled Events"}),
        to_client=names(
            {
                0x00: "Load Control Event",
                0x01: "Cancel Load Control Event",
                0x02: "Cancel All Load Control Events",
            }
        ),
    ),
    Cluster(
        0x0704,
        "Tunneling",
        to_server=names(
            {
                0x00: "Request Tunnel",
                0x01: "Close Tunnel",
                0x02: "Transfer Data",
                0x03: "Transfer Data Error",
                0x04: "Ack Transfer Data",
                0x05: "Ready Data",
                0x06: "Get Supported Tunnel Protocols",
            }
        ),
        to_client=names(
            {
                0x00: "Request Tunnel Response",
                0x01: "Transfer Data",
                0x02: "Transfer Data Error",
                0x03: "Ack Transfer Data",
                0x04: "Ready Data",
                0x05: "Supported Tunnel Protocols Response",
                0x06: "Tunnel Closure Notification",
            }
        ),
        attributes={0x0000: "Close Tunnel Timeout"},
    ),
    Cluster(
        0x0706,
        "Energy Management",
        to_server=names({0x00: "Manage Event"}),
        to_client=names({0x00: "Report Event Status"}),
        attributes={
            0x0000: "Load Control State",
            0x0001: "Current Event ID",
            0x0002: "Current Event Status",
            0x0003: "Conformance Level",
            0x0004: "Minimum Off Time",
            0x0005: "Minimum On Time",
            0x0006: "Minimum Cycle Period",
        },
    ),
    Cluster(
        0x070A,
        "MDU Pairing",
        to_server=names({0x00: "Pairing Request"}),
        to_client=names({0x00: "Pairing Response"}),
    ),
    Cluster(
        0x070B,
        "Sub-GHz",
        to_server=names({0x00: "Get Suspend ZCL Messages Status"}),
        to_client=names({0x00: "Suspend ZCL Messages"}),
        attributes={
            0x0000: "Channel Change",
            0x0001: "Page 28 Channel Mask",
            0x0002: "Page 29 Channel Mask",
            0x0003: "Page 30 Channel Mask",
            0x0004: "Page 31 Channel Mask",
        },
    ),
    Cluster(
        0x0800,
        "Key Establishment",
        to_server=names(
            {
                0x00: "Initiate Key Establishment Request",
                0x01: "Ephemeral Data Request",
                0x02: "Confirm Key Data Request",
                0x03: "Terminate Key Establishment",
            }
        ),
        to_client=names(
            {
                0x00: "Initiate Key Establishment Response",
                0x01: "Ephemeral Data Response",
                0x02: "Confirm Key Data Response",
                0x03: "Terminate Key Establishment",
            }
        ),
    ),
)
