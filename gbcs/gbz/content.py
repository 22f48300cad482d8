"""GBZ content as users see it: frozen dataclasses.

Knows the fields. Reading and writing them is in `gbcs.gbz.codec`.

Source: GBCS v4.1 clause 7.2.10 (GBZ payloads) and section 16 (alerts); all GBZ vectors.
"""

from dataclasses import dataclass, field

from gbcs.gbz.clusters import CLUSTERS, TO_CLIENT, cluster_name, find_command
from gbcs.gbz.values import Fields, Instant, Opaque

PROFILE = 0x0109
"""The ZigBee Smart Energy profile: the first two octets of GBZ content."""

LAST, ENCRYPTED, FROM_DATE_TIME = 0x01, 0x02, 0x10
"""Bits of the extended header control field."""

_DEVICE_IS_CLIENT = (0x0700, 0x0703, 0x0707, 0x0708)
"""Price, Messaging, Calendar and Device Management: clusters whose client the device is, so that
a supplier's commands go to the client."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """An encrypted ZCL payload, and its plaintext if a key opened it.

    `blob` is security control, invocation counter, ciphertext and tag, as transmitted. The
    plaintext is not encoded and takes no part in comparisons.
    """

    blob: bytes
    frame_counter: int
    """Additional header frame counter: number of the component among the encrypted ones, from 0."""
    header_control: int = 0
    """Additional header control."""
    plaintext: Fields | Opaque | None = field(default=None, compare=False)


Payload = Fields | Opaque | Encrypted


@dataclass(frozen=True, slots=True)
class Component:
    """A GBZ use case specific component: one ZCL command with its headers."""

    cluster: int
    frame_control: int
    transaction_sequence_number: int
    command: int
    payload: Payload
    last: bool = False
    """Whether its control field marks it as the last component."""
    from_date_time: Instant | None = None
    """In a request: the time from which entries of a log are read."""
    manufacturer: int | None = None
    """ZigBee manufacturer code of a manufacturer specific frame, else None."""

    @property
    def control(self) -> int:
        """The extended header control field."""
        return (
            LAST * bool(self.last)
            | ENCRYPTED * isinstance(self.payload, Encrypted)
            | FROM_DATE_TIME * (self.from_date_time is not None)
        )

    @property
    def to_client(self) -> bool:
        """Whether the frame goes from the cluster's server to its client."""
        return bool(self.frame_control & TO_CLIENT)

    @property
    def cluster_name(self) -> str | None:
        """ZigBee's name of the cluster, None if it is unknown."""
        return cluster_name(self.cluster)

    @property
    def command_name(self) -> str | None:
        """ZigBee's name of the command, None if it is unknown."""
        known = find_command(self.cluster, self.frame_control, self.command)
        return known.name if known else None


@dataclass(frozen=True, slots=True)
class FutureDatedExecution:
    """Alerts 8F66 and 8F67: a component of a future dated command was, or was not, executed."""

    message_code: int
    originator_counter: int
    cluster: int
    frame_control: int
    """01 in all vectors, even if the command itself went to the client with 09."""
    command: int

    @property
    def cluster_name(self) -> str | None:
        """ZigBee's name of the cluster, None if it is unknown."""
        return cluster_name(self.cluster)

    @property
    def command_name(self) -> str | None:
        """ZigBee's name of the command, None if it is unknown."""
        known = CLUSTERS.get(self.cluster)
        if known is None:
            return None
        # The frame control in the alert does not give the direction, so the cluster does.
        received = known.to_client if self.cluster in _DEVICE_IS_CLIENT else known.to_server
        command = received.get(self.command)
        return command.name if command else None


@dataclass(frozen=True, slots=True)
class IntegrityIssue:
    """Alert 81A0: `other_information` is the cause of the integrity issue."""

    other_information: int


@dataclass(frozen=True, slots=True)
class FirmwareHash:
    """Alerts 8F1C and 8F72: the hash that the device calculated over a firmware image."""

    manufacturer_image_hash: bytes


Detail = FutureDatedExecution | IntegrityIssue | FirmwareHash | Opaque


@dataclass(frozen=True, slots=True)
class GbzAlert:
    """The fields that only alerts have. `detail` is None without a detail, or with components."""

    code: int
    time: Instant
    detail: Detail | None = None
    number_of_components: int = 0
    """As the alert states it: an alert with a detail and no component states 1."""


@dataclass(frozen=True, slots=True)
class GbzContent:
    """The content of a GBZ message. `alert` is None unless the message is an alert."""

    profile: int
    components: tuple[Component, ...]
    alert: GbzAlert | None = None
