"""The WAN between broker and meters: how long it takes, what it loses, and what it costs.

Knows octets in number, times and draws; nothing of what is carried. A meter that had no traffic
for a while sleeps, and the next command wakes it.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Protocol

from esme_emulator.device.model import meter_of
from esme_emulator.fleet.latency import NONE, Latency, parse_latency
from esme_emulator.profiles import MeterProfile, WanProfile, meter_profiles, wan_profile
from esme_emulator.runtime.draws import draw_unit
from gbcs import EUI

NO_WAN = "none"
"""Name of the WAN profile that is no WAN."""

BY_PROFILE = "profile"
"""Stands in place of a name for the WAN of each meter's own profile."""


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


class Wan(Protocol):
    """The WAN of a fleet: which link each meter is behind, and what all of them carried."""

    @property
    def name(self) -> str:
        """What a user calls it."""
        ...

    @property
    def tally(self) -> WanTally:
        """What was carried so far."""
        ...

    def of(self, device: EUI) -> "WanLink | None":
        """Return the link of a meter, None where it has none."""
        ...


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
        self.name = profile.name
        self.tally = WanTally()
        self._seed = seed
        self._latency = parse(profile.latency)
        self._wake_latency = parse(profile.wake_latency)
        self._sleeps = profile.wake_sms > 0 or self._wake_latency != NONE

    def of(self, _: EUI) -> "WanLink":
        """Return the one link that all meters are behind."""
        return self

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


class WanByProfile:
    """Each meter behind the WAN of its own profile: a link for every WAN that `profiles` name.

    Raises `ProfileError` and `ValueError` where one of them cannot be used.
    """

    name = BY_PROFILE

    def __init__(
        self,
        seed: str,
        parse: Callable[[str], Latency] = parse_latency,
        profiles: tuple[MeterProfile, ...] | None = None,
    ) -> None:
        self._seed = seed
        self._profiles = profiles
        names = {profile.wan for profile in profiles or meter_profiles()}
        self._links = {name: _link_to(name, seed, parse) for name in names}

    @property
    def tally(self) -> WanTally:
        """What all links carried together."""
        return _sum(link.tally for link in self._links.values() if link is not None)

    def of(self, device: EUI) -> WanLink | None:
        """Return the link of a meter, None where its profile has no WAN."""
        return self._links[meter_of(self._seed, device, self._profiles).profile.wan]


def wan_of(
    name: str,
    seed: str,
    parse: Callable[[str], Latency] = parse_latency,
    profiles: tuple[MeterProfile, ...] | None = None,
) -> Wan | None:
    """Return the WAN of a fleet of `profiles`; None for `none`, which costs nothing.

    `name` is that of a WAN profile or its `.toml` file, for all meters, or `profile` for that of
    each meter's own. Raises `ProfileError` where there is none, and what `WanLink` raises.
    """
    if name == BY_PROFILE:
        return WanByProfile(seed, parse, profiles)
    return _link_to(name, seed, parse)


def check_wan(name: str) -> None:
    """Raise `ProfileError` where `wan_of` would, for `name` alone."""
    if name != BY_PROFILE:
        wan_profile(name)


def _link_to(name: str, seed: str, parse: Callable[[str], Latency]) -> WanLink | None:
    return None if name == NO_WAN else WanLink(wan_profile(name), seed, parse)


def _sum(tallies: Iterable[WanTally]) -> WanTally:
    total = WanTally()
    for tally in tallies:
        for item in fields(WanTally):
            setattr(total, item.name, getattr(total, item.name) + getattr(tally, item.name))
    return total
