"""Checking replies: against the truth about the meter, and against what the meter itself says.

Pure. A reply may tell of the moment when its request was made or of any up to its arrival. In
between a meter has something else to say only at the end of a half hour.
"""

from dataclasses import dataclass
from enum import StrEnum

from emulator.device.logs import buffer
from emulator.device.meter import answer
from emulator.device.physics import nature
from emulator.proof.drive import Exchange
from gbcs import GbcsError, Keystore
from gbcs.instants import EPOCH_UNIX, HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window, buffer_of, rows_of
from profiles import MeterProfile


class Check(StrEnum):
    """What comparing a reply with the meter's own found."""

    SAME = "same"
    DIFFERENT = "different"
    FAULT = "fault"
    """Not compared, because a fault touched it."""
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

    def _readings_differ(self, exchange: Exchange, now: float) -> bool:
        """Return whether the readings, as the party reads them, are not the meter's."""
        key, reply = exchange.ask.key, exchange.reply
        log = BY_SRV[key.srv]
        try:
            readings = buffer_of(reply.response, log) if reply else 0
            if isinstance(readings, int):
                return True
            said = rows_of(log, readings)
        except GbcsError:
            return True
        meter = nature(self.seed, key.device, self.profiles)
        truth = buffer(meter, log, Window(key.start, key.end), int(now) - EPOCH_UNIX)
        return said != rows_of(log, truth)

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
