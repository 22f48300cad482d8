"""The wide area network (WAN) between broker and meters: delay, loss and cost.

The WAN sees numbers of octets, not messages. A meter without traffic sleeps after a while, and the
next command wakes it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Protocol

from esme_emulator.device.model import profile_of
from esme_emulator.profiles import MeterProfile, WanProfile, meter_profiles, wan_profile
from esme_emulator.profiles.latency import NONE, parse_latency
from esme_emulator.runtime.draws import draw_unit
from gbcs import EUI

NO_WAN = "none"
"""Name that stands for no WAN."""

BY_PROFILE = "profile"
"""Name that stands for the WAN of each meter's own profile."""


@dataclass(slots=True)
class WanTally:
    """Totals of a whole fleet; they only grow."""

    commands: int = 0
    replies: int = 0
    octets_down: int = 0
    """Octets of commands to meters, lost ones included."""
    octets_up: int = 0
    """Octets of replies from meters, lost ones included."""
    radio_seconds: float = 0.0
    """Seconds on air of these octets; 0 if the link has no rate."""
    wakes: int = 0
    sms: int = 0
    lost_commands: int = 0
    lost_replies: int = 0

    def as_dict(self) -> dict[str, int | float]:
        """Return a JSON object."""
        return asdict(self)


class Wan(Protocol):
    """The WAN of a fleet: the link of each meter, and the totals of all links."""

    @property
    def name(self) -> str:
        """The name that a user gave."""
        ...

    @property
    def tally(self) -> WanTally:
        """Totals so far."""
        ...

    def of(self, device: EUI) -> "WanLink | None":
        """Return the link of a meter, or None if it has none."""
        ...

    def reset(self) -> None:
        """Count traffic from 0 again."""
        ...


class Radio:
    """Unix times, in seconds, from and until which the radio of one meter is awake."""

    __slots__ = ("awake_from", "awake_until")

    def __init__(self) -> None:
        self.awake_from = -inf
        self.awake_until = -inf


class WanLink:
    """The link of every meter of a fleet, from one profile, with draws from `seed`.

    The latency of the profile is a round trip, so command and reply take half of it each. Raises
    `ValueError` if a latency of the profile is invalid.
    """

    def __init__(self, profile: WanProfile, seed: str) -> None:
        self.profile = profile
        self.name = profile.name
        self.tally = WanTally()
        self._seed = seed
        self._latency = parse_latency(profile.latency)
        self._wake_latency = parse_latency(profile.wake_latency)
        self._sleeps = profile.wake_sms > 0 or self._wake_latency != NONE

    def reset(self) -> None:
        """Count traffic from 0 again."""
        self.tally = WanTally()

    def of(self, _: EUI) -> "WanLink":
        """Return this link, which all meters share."""
        return self

    def command(self, radio: Radio, subject: str, octets: int, now: float) -> float | None:
        """Return the arrival of a command at its meter, or None if the command is lost.

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
        """Return the arrival of a reply that leaves its meter at `now`, or None if it is lost.

        `place` numbers the replies to one command.
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


class WanByProfile:
    """One link for each WAN that `profiles` name; each meter is behind that of its profile.

    Raises `ProfileError` and `ValueError` if a WAN profile cannot be used.
    """

    name = BY_PROFILE

    def __init__(self, seed: str, profiles: tuple[MeterProfile, ...] | None = None) -> None:
        self._seed = seed
        self._profiles = profiles
        self._links: dict[str, WanLink | None] = {}
        for profile in profiles or meter_profiles():
            self._link(profile.wan)

    @property
    def tally(self) -> WanTally:
        """Totals of all links."""
        return _sum(link.tally for link in self._links.values() if link is not None)

    def reset(self) -> None:
        """Count traffic from 0 again."""
        for link in self._links.values():
            if link is not None:
                link.reset()

    def of(self, device: EUI) -> WanLink | None:
        """Return the link of a meter, or None if its profile has no WAN."""
        return self._link(profile_of(self._seed, device, self._profiles).wan)

    def _link(self, name: str) -> WanLink | None:
        if name not in self._links:
            self._links[name] = _link_to(name, self._seed)
        return self._links[name]


def wan_of(name: str, seed: str, profiles: tuple[MeterProfile, ...] | None = None) -> Wan | None:
    """Return the WAN of a fleet of `profiles`, or None if `name` is `none`.

    `name` is a WAN profile or its `.toml` file, for all meters, or `profile` for the WAN of each
    meter's own profile. Raises `ProfileError` if there is no such profile, and `ValueError` if a
    latency is invalid.
    """
    if name == BY_PROFILE:
        return WanByProfile(seed, profiles)
    return _link_to(name, seed)


def check_wan(name: str) -> None:
    """Raise `ProfileError` if there is no WAN profile `name`."""
    if name != BY_PROFILE:
        wan_profile(name)


def _link_to(name: str, seed: str) -> WanLink | None:
    return None if name == NO_WAN else WanLink(wan_profile(name), seed)


def _sum(tallies: Iterable[WanTally]) -> WanTally:
    total = WanTally()
    for tally in tallies:
        for item in fields(WanTally):
            setattr(total, item.name, getattr(total, item.name) + getattr(tally, item.name))
    return total
