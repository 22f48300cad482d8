"""The WAN between broker and meters: how long it takes, what it loses, and what it costs.

Knows octets in number, times and draws; nothing of what is carried. A meter that had no traffic
for a while sleeps, and the next command wakes it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf

from emulator.latency import NONE, Latency, parse_latency
from emulator.seeded import draw_unit
from profiles import WanProfile, wan_profile

NO_WAN = "none"
"""Name of the WAN profile that is no WAN."""


@dataclass(slots=True)
class WanTally:
    """What a WAN carried for a whole fleet; each only ever grows."""

    commands: int = 0
    replies: int = 0
    octets_down: int = 0
    """Octets of commands sent to meters, lost ones too."""
    octets_up: int = 0
    """Octets of replies sent by meters, lost ones too."""
    radio_seconds: float = 0.0
    """Time that these octets took; 0 where the link has no rate."""
    wakes: int = 0
    sms: int = 0
    lost_commands: int = 0
    lost_replies: int = 0

    def as_dict(self) -> dict[str, int | float]:
        """Return the tally as JSON has it."""
        return asdict(self)


class Radio:
    """When the radio of one meter is awake, Unix times in seconds."""

    __slots__ = ("awake_from", "awake_until")

    def __init__(self) -> None:
        self.awake_from = -inf
        self.awake_until = -inf


class WanLink:
    """The link of every meter of a fleet, by one profile, with draws from `seed`.

    The latency of the profile is from command to reply, so each of the two takes half of it.
    `parse` reads latencies. Raises `ValueError` where the profile has one that is none.
    """

    def __init__(
        self, profile: WanProfile, seed: str, parse: Callable[[str], Latency] = parse_latency
    ) -> None:
        self.profile = profile
        self.tally = WanTally()
        self._seed = seed
        self._latency = parse(profile.latency)
        self._wake_latency = parse(profile.wake_latency)
        self._sleeps = profile.wake_sms > 0 or self._wake_latency != NONE

    def command(self, radio: Radio, subject: str, octets: int, now: float) -> float | None:
        """Return when a command that leaves at `now` is at its meter, None where it is lost.

        `subject` names the exchange, for its draws. Times are Unix times in seconds.
        """
        self.tally.commands += 1
        self.tally.octets_down += octets
        if self._sleeps and now >= radio.awake_until:
            self.tally.wakes += 1
            self.tally.sms += self.profile.wake_sms
            radio.awake_from = now + self._wake_latency.seconds(self._draw("wan-wake", subject))
            self._use(radio, radio.awake_from)
        arrives = max(now, radio.awake_from) + self._carry(subject, octets)
        if self._is_lost("wan-down", subject):
            self.tally.lost_commands += 1
            return None
        self._use(radio, arrives)
        return arrives

    def reply(
        self, radio: Radio, subject: str, place: int, octets: int, now: float
    ) -> float | None:
        """Return when what leaves a meter at `now` is here, None where it is lost.

        `place` tells apart what one command led to.
        """
        self.tally.replies += 1
        self.tally.octets_up += octets
        arrives = now + self._carry(subject, octets)
        self._use(radio, arrives)
        if self._is_lost("wan-up", f"{subject} {place}"):
            self.tally.lost_replies += 1
            return None
        return arrives

    def _use(self, radio: Radio, traffic: float) -> None:
        if self._sleeps:
            radio.awake_until = max(radio.awake_until, traffic + self.profile.awake_seconds)

    def _carry(self, subject: str, octets: int) -> float:
        rate = self.profile.octets_per_second
        in_the_air = octets / rate if rate else 0.0
        self.tally.radio_seconds += in_the_air
        return in_the_air + self._latency.seconds(self._draw("wan", subject)) / 2

    def _is_lost(self, purpose: str, subject: str) -> bool:
        return self.profile.loss > 0 and self._draw(purpose, subject) < self.profile.loss

    def _draw(self, purpose: str, subject: str) -> float:
        return draw_unit(self._seed, purpose, subject.encode())


def link_to(
    name: str, seed: str, parse: Callable[[str], Latency] = parse_latency
) -> WanLink | None:
    """Return the link of the WAN profile of this name; None for `none`, which costs nothing.

    Raises `ProfileError` where there is no such profile, and what `WanLink` raises.
    """
    return None if name == NO_WAN else WanLink(wan_profile(name), seed, parse)
