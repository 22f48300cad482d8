"""Checking replies: against the truth about the meter, and against what the meter itself says.

Pure. A reply may tell of the moment when its request was made or of any up to its arrival. In
between a meter has something else to say only at the end of a half hour.
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
    """What comparing a reply with the meter's own found."""

    SAME = "same"
    DIFFERENT = "different"
    FAULT = "fault"
    """Not compared, because a fault touched it; or a hit with the gaps that a fault made."""
    NONE = ""
    """There was no reply."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows the meters of a run."""

    keystore: Keystore
    seed: str
    profiles: tuple[MeterProfile, ...] | None

    def differs(self, exchange: Exchange) -> bool:
        """Return whether a reply, accepted or not, is not what the meter says."""
        if not exchange.accepted:
            return True
        moments = _moments(exchange.sent, exchange.received)
        if all(self._readings_differ(exchange, now) for now in moments):
            return True
        return all(self._octets_differ(exchange, now) for now in moments)

    def of_hit(self, exchange: Exchange) -> Check:
        """Return what was found of a hit whose reading a fault touched, at whatever request.

        A gap is the meter's own: a fault may have taken entries out of its log. Everything else is
        compared as ever, and the end of the window has to be there: a log that ends early is one
        that the meter had not finished, and the cache should not have kept it.
        """
        if not self.differs(exchange):
            return Check.SAME
        moments = _moments(exchange.sent, exchange.received)
        gaps = exchange.accepted and any(self._has_gaps_only(exchange, now) for now in moments)
        return Check.FAULT if gaps else Check.DIFFERENT

    def _has_gaps_only(self, exchange: Exchange, now: float) -> bool:
        """Return whether readings are the meter's and end as they do, but for a gap before."""
        said, truth = self._said(exchange), self._truth(exchange, now)
        if not said or not truth or said == truth:
            return False
        return said[-1] == truth[-1] and all(row in truth for row in said)

    def _readings_differ(self, exchange: Exchange, now: float) -> bool:
        """Return whether the readings, as the party reads them, are not the meter's."""
        return self._said(exchange) != self._truth(exchange, now)

    def _said(self, exchange: Exchange) -> list[Row] | None:
        """Return the readings of a reply as the party reads them; None if there are none."""
        log, reply = BY_SRV[exchange.ask.key.srv], exchange.reply
        try:
            readings = buffer_of(reply.response, log) if reply else 0
            return None if isinstance(readings, int) else rows_of(log, readings)
        except GbcsError:
            return None

    def _truth(self, exchange: Exchange, now: float) -> list[Row]:
        """Return what the meter has at `now`, Unix time in seconds, whatever a fault did to it."""
        key = exchange.ask.key
        meter, log = meter_of(self.seed, key.device, self.profiles), BY_SRV[key.srv]
        window = Window(key.start, key.end)
        return rows_of(log, buffer(meter, log, window, int(now) - EPOCH_UNIX))

    def _octets_differ(self, exchange: Exchange, now: float) -> bool:
        """Return whether a reply is not, octet for octet, the meter's to the same command.

        The device's own counter in it, if there is one, is given to the meter.
        """
        if exchange.reply is None:
            return True
        supplementary = exchange.reply.response.supplementary
        own_counter = (supplementary and supplementary.originator_counter) or 0
        command = exchange.ask.command
        said = answer(
            self.seed, command, self.keystore, now, lambda: own_counter, profiles=self.profiles
        )
        return said.octets != exchange.reply.octets


def _moments(first: float, last: float) -> set[float]:
    """Return the times at which a meter may have said what came between `first` and `last`."""
    ends = range(int(first) // HALF_HOUR * HALF_HOUR + HALF_HOUR, int(last) + 1, HALF_HOUR)
    return {first, last, *map(float, ends)}
