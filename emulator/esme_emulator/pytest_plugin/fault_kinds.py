"""A method for every kind of fault. Made by `make_fault_kinds.py` from the registry of faults.

What each does, and what its parameters mean, is in docs/faults.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from gbcs import EUI

if TYPE_CHECKING:
    from esme_emulator.pytest_plugin.faults import Armed
    from esme_emulator.pytest_plugin.meters import EsmeMeter


class Where(TypedDict, total=False):
    """Which calls a rule addresses: all keys that are given must hold."""

    meters: "EsmeMeter | EUI | str | Iterable[EsmeMeter | EUI | str]"
    """Meters, EUIs, or patterns of these with `?` and `*`."""
    profile: str | Iterable[str]
    """Kinds of meters, as their profiles are named."""
    srv: str | Iterable[str]
    calls: int | str
    """Which commands of an SRV to a meter, from 1: 2, "1-3", "5-", "every 3"."""
    fraction: float
    """This share of those meters, drawn by seed and name of the rule."""
    probability: float
    """The chance of each call, drawn likewise."""
    start: str
    """Not before this time of the clock, in ISO 8601."""
    end: str
    """Before this time."""
    name: str
    """Of the rule, on which draws depend; made up where it is not given."""


class FaultKinds(ABC):
    """A rule of each kind, to be entered with `with`."""

    @abstractmethod
    def rule(self, kind: str, **keys: Any) -> "Armed":
        """Return a rule of any kind."""

    def no_reply(self, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `no-reply`.

        The meter ignores the command and sends no reply.
        """
        return self.rule("no-reply", **where)

    def asleep(self, *, idle: float = 600.0, wakes: int = 1, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `asleep`.

        An idle meter loses the commands that wake it.
        """
        return self.rule("asleep", idle=idle, wakes=wakes, **where)

    def fail_first(
        self,
        *,
        n: int = 1,
        result: str = "no-reply",
        **where: Unpack[Where],
    ) -> "Armed":
        """Return a rule of `fail-first`.

        The first commands of an SRV to a meter fail; later ones succeed.
        """
        return self.rule("fail-first", n=n, result=result, **where)

    def result_code(self, *, code: str = "temporary-failure", **where: Unpack[Where]) -> "Armed":
        """Return a rule of `result-code`.

        The first access of a DLMS command fails with a result code; the meter skips the
        others.
        """
        return self.rule("result-code", code=code, **where)

    def clock_drift(
        self,
        *,
        seconds: float = 300.0,
        per_day: float = 0.0,
        since: str | None = None,
        **where: Unpack[Where],
    ) -> "Armed":
        """Return a rule of `clock-drift`.

        The clock of the meter is ahead or behind.
        """
        return self.rule("clock-drift", seconds=seconds, per_day=per_day, since=since, **where)

    def empty_log(self, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `empty-log`.

        The log has no entries; reading it succeeds.
        """
        return self.rule("empty-log", **where)

    def missing_half_hours(
        self,
        *,
        share: float = 0.1,
        since: str | None = None,
        until: str | None = None,
        **where: Unpack[Where],
    ) -> "Armed":
        """Return a rule of `missing-half-hours`.

        Half hours are missing from the logs; a meter misses the same ones in every read.
        """
        return self.rule("missing-half-hours", share=share, since=since, until=until, **where)

    def wrong_counter(self, *, offset: int = 1, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `wrong-counter`.

        The originator counter of the reply is not that of the command; its MAC is valid.
        """
        return self.rule("wrong-counter", offset=offset, **where)

    def wrong_recipient(self, *, recipient: str | None = None, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `wrong-recipient`.

        The reply is addressed to another EUI, and sealed for it if its key is known.
        """
        return self.rule("wrong-recipient", recipient=recipient, **where)

    def wrong_mac(self, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `wrong-mac`.

        The MAC of the reply is wrong; the rest is intact.
        """
        return self.rule("wrong-mac", **where)

    def corrupt_octets(self, *, octets: int = 1, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `corrupt-octets`.

        Octets of the reply are changed, at drawn positions.
        """
        return self.rule("corrupt-octets", octets=octets, **where)

    def truncated(self, *, keep: int | None = None, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `truncated`.

        Only the beginning of the reply arrives.
        """
        return self.rule("truncated", keep=keep, **where)

    def lost_block(
        self,
        *,
        block_size: int = 256,
        window: int = 63,
        lost: int | None = None,
        **where: Unpack[Where],
    ) -> "Armed":
        """Return a rule of `lost-block`.

        The reply is sent as blocks of a general block transfer, one message each; one is
        lost.
        """
        return self.rule("lost-block", block_size=block_size, window=window, lost=lost, **where)

    def late_reply(
        self,
        *,
        seconds: float = 30.0,
        jitter: float = 0.0,
        **where: Unpack[Where],
    ) -> "Armed":
        """Return a rule of `late-reply`.

        The reply is delayed, in addition to the latency of the meter.
        """
        return self.rule("late-reply", seconds=seconds, jitter=jitter, **where)

    def duplicate(self, *, copies: int = 1, after: float = 0.0, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `duplicate`.

        The same reply arrives more than once.
        """
        return self.rule("duplicate", copies=copies, after=after, **where)

    def reordered(self, *, hold: float = 60.0, **where: Unpack[Where]) -> "Armed":
        """Return a rule of `reordered`.

        The reply is held back until the next reply of the meter has left.
        """
        return self.rule("reordered", hold=hold, **where)
