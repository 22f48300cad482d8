"""Check a reply against the meter's own octets, and against the meter's true readings.

Pure. A reply may be of any moment from the request to its arrival. In between, a meter's answer
changes only at the end of a half hour. Octets are compared first, since a reply with the meter's
octets needs no decoding. Its readings are compared with the model too, in a sample of the requests.
"""

from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256

from esme_emulator.device.logs import buffer
from esme_emulator.device.meter import answer
from esme_emulator.device.model import meter_of
from esme_emulator.profiles import MeterProfile
from esme_emulator.scenario.workload import PlannedRequest
from gbcs import GbcsError, Keystore, Message, Response, Status, decode
from gbcs.instants import EPOCH_UNIX, HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Row, Window, buffer_of, rows_of

SAMPLE = 10
"""One request in so many has the readings of its reply compared, and not only the octets."""


class Check(StrEnum):
    """The result of comparing a reply with the meter's own."""

    SAME = "same"
    DIFFERENT = "different"
    GAPS = "gaps"
    """Different: entries other than the last are missing, and all others are the meter's."""
    FAULT = "fault"
    """Not compared, because a fault touched it; or a hit with gaps that a fault made."""
    NONE = ""
    """There was no reply."""


class Judge:
    """Compares replies with the meters of a run. `faults`: whether gaps may be a fault's."""

    def __init__(
        self,
        keystore: Keystore,
        seed: str,
        profiles: tuple[MeterProfile, ...] | None,
        *,
        faults: bool,
    ) -> None:
        self._keystore = keystore
        self._seed = seed
        self._profiles = profiles
        self._faults = faults
        self._digests: dict[tuple[int, int], bytes] = {}
        """The meter's own reply to each request, by its number and the counter of its command, at
        its planned time: both runs need it."""
        self._read: set[tuple[int, bytes]] = set()
        """Replies with the readings of the model, by number of the request and digest."""

    def check(
        self, planned: PlannedRequest, sent: float, now: float, message: Message, octets: bytes
    ) -> tuple[bool, Check]:
        """Return whether the party accepts a reply, and whether it is the meter's own.

        `sent` and `now` are the times of the first attempt and of the reply. `message` is the
        opened reply.
        """
        moments, digest = list(_moments(sent, now)), sha256(octets).digest()
        own = any(self._is_own(planned, moment, message, digest) for moment in moments)
        reply = planned.number, digest
        if own and (planned.number % SAMPLE != 1 or reply in self._read):
            return True, Check.SAME
        try:
            response = decode(octets, self._keystore)
        except GbcsError:
            return False, Check.DIFFERENT
        if not isinstance(response, Response) or response.mac_status is not Status.VALID:
            return False, Check.DIFFERENT
        said = _said(planned, response)
        # None: the meter itself refuses.
        if own and (said is None or any(said == self._truth(planned, time) for time in moments)):
            self._read.add(reply)
            return True, Check.SAME
        if self._faults and said:
            truths = [self._truth(planned, moment) for moment in moments]
            if any(_has_gaps_only(said, truth) for truth in truths):
                return True, Check.GAPS
        return True, Check.DIFFERENT

    def _is_own(self, planned: PlannedRequest, now: float, message: Message, digest: bytes) -> bool:
        """Return whether the meter's reply at `now` has this SHA-256 digest.

        The device's own counter, if the reply has one, is given to the meter: cache and meter
        take different ones on purpose.
        """
        supplementary = message.supplementary
        counter = (supplementary and supplementary.originator_counter) or 0
        shared = now == planned.time and not counter
        place = planned.number, planned.command.originator_counter
        own = self._digests.get(place) if shared else None
        if own is None:
            said = answer(
                *(self._seed, planned.command, self._keystore, now, lambda: counter),
                profiles=self._profiles,
            )
            own = sha256(said.octets or b"").digest()
            if shared:
                self._digests[place] = own
        return own == digest

    def _truth(self, planned: PlannedRequest, now: float) -> list[Row]:
        """Return the meter's readings at `now`, Unix time in seconds, as if without faults."""
        key = planned.key
        meter, log = meter_of(self._seed, key.device, self._profiles), BY_SRV[key.srv]
        window = Window(key.start, key.end)
        return rows_of(log, buffer(meter, log, window, int(now) - EPOCH_UNIX))


def _said(planned: PlannedRequest, response: Message) -> list[Row] | None:
    """Return the readings of a reply as the party reads them, None if it has none."""
    log = BY_SRV[planned.key.srv]
    try:
        readings = buffer_of(response, log)
        return None if isinstance(readings, int) else rows_of(log, readings)
    except GbcsError:
        return None


def _has_gaps_only(said: list[Row], truth: list[Row]) -> bool:
    """Return whether entries but the last are missing, and all others are the meter's."""
    if not truth or said == truth:
        return False
    return said[-1] == truth[-1] and all(row in truth for row in said)


def _moments(first: float, last: float) -> Iterator[float]:
    """Yield the times from `first` to `last` at which a meter's answer may differ."""
    yield first
    yield last
    ends = range(int(first) // HALF_HOUR * HALF_HOUR + HALF_HOUR, int(last) + 1, HALF_HOUR)
    yield from map(float, ends)
