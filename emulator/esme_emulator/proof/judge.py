"""Check a reply against the meter's true readings, and against the meter's own octets.

Pure. A reply may be of any moment from the request to its arrival. In between, a meter's answer
changes only at the end of a half hour.
"""

from dataclasses import dataclass
from enum import StrEnum

from esme_emulator.device.logs import buffer
from esme_emulator.device.meter import answer
from esme_emulator.device.model import meter_of
from esme_emulator.profiles import MeterProfile
from esme_emulator.proof.driver import Exchange
from gbcs import GbcsError, Keystore
from gbcs.instants import EPOCH_UNIX, HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Row, Window, buffer_of, rows_of


class Check(StrEnum):
    """The result of comparing a reply with the meter's own."""

    SAME = "same"
    DIFFERENT = "different"
    FAULT = "fault"
    """Not compared, because a fault touched it; or a hit with gaps that a fault made."""
    NONE = ""
    """There was no reply."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares replies with the meters of a run."""

    keystore: Keystore
    seed: str
    profiles: tuple[MeterProfile, ...] | None

    def differs(self, exchange: Exchange) -> bool:
        """Return whether a reply is not acceptable, or not what the meter says."""
        if not exchange.accepted:
            return True
        moments = _moments(exchange.sent, exchange.received)
        if all(self._readings_differ(exchange, now) for now in moments):
            return True
        return all(self._octets_differ(exchange, now) for now in moments)

    def check_hit(self, exchange: Exchange) -> Check:
        """Check a hit on a reading that a fault touched in any request.

        A fault may have removed entries from the meter's log, so gaps are allowed. All other
        entries must be the meter's, and so must the end of the window. If the end is missing, the
        meter had not finished the window, and the cache should not have kept it.
        """
        if not self.differs(exchange):
            return Check.SAME
        moments = _moments(exchange.sent, exchange.received)
        gaps = exchange.accepted and any(self._has_gaps_only(exchange, now) for now in moments)
        return Check.FAULT if gaps else Check.DIFFERENT

    def _has_gaps_only(self, exchange: Exchange, now: float) -> bool:
        """Return whether entries but the last are missing, and all others are the meter's."""
        said, truth = self._said(exchange), self._truth(exchange, now)
        if not said or not truth or said == truth:
            return False
        return said[-1] == truth[-1] and all(row in truth for row in said)

    def _readings_differ(self, exchange: Exchange, now: float) -> bool:
        return self._said(exchange) != self._truth(exchange, now)

    def _said(self, exchange: Exchange) -> list[Row] | None:
        """Return the readings of a reply as the party reads them, None if it has none."""
        log, reply = BY_SRV[exchange.planned.key.srv], exchange.reply
        try:
            readings = buffer_of(reply.response, log) if reply else 0
            return None if isinstance(readings, int) else rows_of(log, readings)
        except GbcsError:
            return None

    def _truth(self, exchange: Exchange, now: float) -> list[Row]:
        """Return the meter's readings at `now`, Unix time in seconds, as if without faults."""
        key = exchange.planned.key
        meter, log = meter_of(self.seed, key.device, self.profiles), BY_SRV[key.srv]
        window = Window(key.start, key.end)
        return rows_of(log, buffer(meter, log, window, int(now) - EPOCH_UNIX))

    def _octets_differ(self, exchange: Exchange, now: float) -> bool:
        """Return whether the octets of a reply differ from the meter's reply to the same command.

        The device's own counter, if the reply has one, is given to the meter: cache and meter
        take different ones on purpose.
        """
        if exchange.reply is None:
            return True
        supplementary = exchange.reply.response.supplementary
        own_counter = (supplementary and supplementary.originator_counter) or 0
        command = exchange.planned.command
        said = answer(
            self.seed, command, self.keystore, now, lambda: own_counter, profiles=self.profiles
        )
        return said.octets != exchange.reply.octets


def _moments(first: float, last: float) -> set[float]:
    """Return the times between `first` and `last` at which a meter's answer may differ."""
    ends = range(int(first) // HALF_HOUR * HALF_HOUR + HALF_HOUR, int(last) + 1, HALF_HOUR)
    return {first, last, *map(float, ends)}
