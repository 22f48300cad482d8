"""GBZ content as users see it: frozen dataclasses.

Knows the fields; reading and writing them is in `gbcs.gbz.codec`.

Source: GBCS v4.1 clause 7.2.10 (GBZ payloads) and section 16 (alerts); all GBZ vectors.
"""

from dataclasses import dataclass, field

from gbcs.gbz.clusters import CLUSTERS, TO_CLIENT, cluster_name, find_command
from gbcs.gbz.values import Fields, Instant, Opaque

PROFILE = 0x0109
"""The ZigBee Smart Energy profile: the two octets that GBZ content begins with."""

LAST, ENCRYPTED, FROM_DATE_TIME = 0x01, 0x02, 0x10
"""Bits of the extended header control field."""

_DEVICE_IS_CLIENT = (0x0700, 0x0703, 0x0707, 0x0708)
"""Price, Messaging, Calendar and Device Management: what a supplier sends goes to their client."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """An encrypted ZCL payload, and what a key made of it where there was one.

    `blob` is security control, invocation counter, ciphertext and tag, as it travels. The plaintext
    is no part of the octets and of comparisons.
    """

    blob: bytes
    frame_counter: int
    """Additional header frame counter: numbers the encrypted components of a content from 0."""
    header_control: int = 0
    """Additional header control."""
    plaintext: Fields | Opaque | None = field(default=None, compare=False)


Payload = Fields | Opaque | Encrypted


@dataclass(frozen=True, slots=True)
class Component:
    """A GBZ use case specific component: one ZCL command and where it belongs."""

    cluster: int
    frame_control: int
    transaction_sequence_number: int
    command: int
    payload: Payload
    last: bool = False
    """Whether this says of itself that it is the last component."""
    from_date_time: Instant | None = None
    """In a request: entries of a log from here on."""
    manufacturer: int | None = None
    """ZigBee manufacturer code, where the frame is manufacturer specific."""

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
        """What ZigBee calls the cluster, or None where it is not known."""
        return cluster_name(self.cluster)

    @property
    def command_name(self) -> str | None:
        """What ZigBee calls the command, or None where it is not known."""
        known = find_command(self.cluster, self.frame_control, self.command)
        return known.name if known else None


@dataclass(frozen=True, slots=True)
class FutureDatedExecution:
    """Alerts 8F66 and 8F67: which component of a future dated command was, or was not, executed."""

    message_code: int
    originator_counter: int
    cluster: int
    frame_control: int
    """01 in all vectors, also where the command itself went to the client with 09."""
    command: int

    @property
    def cluster_name(self) -> str | None:
        """What ZigBee calls the cluster, or None where it is not known."""
        return cluster_name(self.cluster)

    @property
    def command_name(self) -> str | None:
        """What ZigBee calls the command, or None where it is not known."""
        known = CLUSTERS.get(self.cluster)
        if known is None:
            return None
        received = known.to_client if self.cluster in _DEVICE_IS_CLIENT else known.to_server
        command = received.get(self.command)
        return command.name if command else None


@dataclass(frozen=True, slots=True)
class IntegrityIssue:
    """Alert 81A0: `other_information` says what is wrong with the meter."""

    other_information: int


@dataclass(frozen=True, slots=True)
class FirmwareHash:
    """Alerts 8F1C and 8F72: the hash that the device calculated over a firmware image."""

    manufacturer_image_hash: bytes


Detail = FutureDatedExecution | IntegrityIssue | FirmwareHash | Opaque


@dataclass(frozen=True, slots=True)
class GbzAlert:
    """What only alerts have. `detail` is None where nothing follows, or components do."""

    code: int
    time: Instant
    detail: Detail | None = None
    number_of_components: int = 0
    """As the alert says; one with a detail and no component says 1 all the same."""


@dataclass(frozen=True, slots=True)
class GbzContent:
    """The content of a GBZ message: of an alert where `alert` is there, else of the others."""

    profile: int
    components: tuple[Component, ...]
    alert: GbzAlert | None = None
