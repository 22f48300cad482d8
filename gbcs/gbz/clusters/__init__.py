"""The registry of clusters, and the look-up of a ZCL frame's command.

Knows how the frame control field selects a command. The tables are in the other modules here.
"""

from gbcs.gbz.clusters.base import Cluster, Command
from gbcs.gbz.clusters.calendar import CALENDAR
from gbcs.gbz.clusters.device_management import DEVICE_MANAGEMENT
from gbcs.gbz.clusters.events import EVENTS
from gbcs.gbz.clusters.general import GENERAL
from gbcs.gbz.clusters.messaging import MESSAGING
from gbcs.gbz.clusters.metering import METERING
from gbcs.gbz.clusters.others import OTHERS
from gbcs.gbz.clusters.prepayment import PREPAYMENT
from gbcs.gbz.clusters.price import PRICE

CLUSTERS: dict[int, Cluster] = {
    cluster.identifier: cluster
    for cluster in (
        PRICE,
        METERING,
        MESSAGING,
        PREPAYMENT,
        CALENDAR,
        DEVICE_MANAGEMENT,
        EVENTS,
        *OTHERS,
    )
}

FRAME_TYPE = 0x03
GENERAL_FRAME, CLUSTER_FRAME = 0x00, 0x01
MANUFACTURER_SPECIFIC = 0x04
TO_CLIENT = 0x08
"""Bits of the frame control field (ZCL, 07-5123, clause 2.4.1.1)."""


def find_command(cluster: int, frame_control: int, identifier: int) -> Command | None:
    """Return the command of a frame, None if the tables lack it."""
    if frame_control & MANUFACTURER_SPECIFIC:  # its number has another meaning
        return None
    frame_type = frame_control & FRAME_TYPE
    if frame_type == GENERAL_FRAME:
        return GENERAL.get(identifier)
    known = CLUSTERS.get(cluster)
    if frame_type != CLUSTER_FRAME or known is None:
        return None
    return (known.to_client if frame_control & TO_CLIENT else known.to_server).get(identifier)


def cluster_name(cluster: int) -> str | None:
    """Return the name of a cluster, None if it is unknown."""
    known = CLUSTERS.get(cluster)
    return known.name if known else None


def attribute_name(cluster: int, attribute: int) -> str | None:
    """Return the name of a cluster's attribute, None if it is unknown."""
    known = CLUSTERS.get(cluster)
    return known.attributes.get(attribute) if known else None
