"""Fault rules, and the calls they select: by meter, profile, SRV, call number, time and chance.

A `Selector` is configuration; `matcher` compiles it to a predicate that runs for every call.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from esme_emulator.estate.euis import FORMS as EUI_FORMS
from esme_emulator.estate.euis import EuiPattern
from esme_emulator.faults.base import Call, Fault, FaultContext, FaultError, Share
from esme_emulator.runtime.config import Instant, Takes
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX

CallNumbers: TypeAlias = tuple[range, ...]
"""Numbers of calls, from 1; empty for all."""

Matches: TypeAlias = Callable[[Call], bool]

CALL_FORMS = 'a call "1", a range "1-3" or "5-", "every 3", or several with commas'

_ENDLESS = 1 << 62
_PART = re.compile(r"([0-9]{1,15})(?:(-)([0-9]{1,15})?)?|every ([0-9]{1,15})")
_SRV = re.compile(r"[0-9]{1,2}(\.[0-9]{1,2}){1,2}|unknown")


def read_calls(value: object) -> CallNumbers:
    """Return the call numbers that a number or a text selects.

    >>> read_calls("1-3, every 10")[0]
    range(1, 4)

    Raises `ValueError` for any other value, and for numbers that no call has.
    """
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        raise ValueError
    return tuple(_range(part.strip()) for part in value.split(","))


def write_calls(calls: CallNumbers) -> str | None:
    """Return the text of call numbers, or None for all of them."""
    return ", ".join(map(_text, calls)) or None


def _range(part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError
    first, dash, last, step = match.groups()
    if step is not None:
        if int(step) == 0:
            raise ValueError(f"{part!r}: give 1 or more after `every`")
        return range(int(step), _ENDLESS, int(step))
    if int(first) == 0:
        raise ValueError(f"{part!r}: calls are counted from 1")
    if not dash:
        return range(int(first), int(first) + 1)
    if last is None:
        return range(int(first), _ENDLESS)
    if int(last) < int(first):
        raise ValueError(f"{part!r}: it ends before it begins")
    return range(int(first), int(last) + 1)


def _text(calls: range) -> str:
    if calls.step > 1:
        return f"every {calls.step}"
    if calls.stop == _ENDLESS:
        return f"{calls.start}-"
    return f"{calls.start}" if len(calls) == 1 else f"{calls.start}-{calls.stop - 1}"


def _several(read_one: Callable[[str], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a reader of one text, or of a list of at least one."""

    def read(value: Any) -> tuple[Any, ...]:
        texts = value if isinstance(value, list | tuple) else [value]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError
        return tuple(read_one(text) for text in texts)

    return read


def _read_srv(text: str) -> str:
    if not _SRV.fullmatch(text):
        raise ValueError(f"{text!r:.100} is not an SRV: write it like 4.8.1")
    return text


def _read_name(text: str) -> str:
    if not (text and text.isprintable()):
        raise ValueError(f"{text!r:.100} is not the name of a profile: give printable text")
    return text


def _texts(values: tuple[object, ...]) -> list[str] | None:
    return [str(value) for value in values] or None


_ONE_OR_LIST: dict[str, Any] = {
    "oneOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}
_CALLS: dict[str, Any] = {"oneOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}


def _one_or_list(words: str, read_one: Callable[[str], Any]) -> Takes:
    return Takes(words, _several(read_one), _texts, _ONE_OR_LIST)


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that a call must all meet; without any, every call matches.

    Raises `FaultError` if `start` is not before `end`.
    """

    meters: Annotated[
        tuple[EuiPattern, ...],
        _one_or_list(f"an EUI or a pattern, or a list of these: {EUI_FORMS}", EuiPattern.parse),
        Field(description="the meters; without it all of them"),
    ] = ()
    profiles: Annotated[
        tuple[str, ...],
        _one_or_list("the name of a meter profile, or a list of names", _read_name),
        Field(alias="profile", description="meters of these kinds, as the fleet names them"),
    ] = ()
    fraction: Annotated[
        Share,
        Field(
            description="this share of those meters, drawn by seed and rule: the same in every run"
        ),
    ] = 1.0
    srvs: Annotated[
        tuple[str, ...],
        _one_or_list("an SRV such as 4.8.1, or a list of SRVs", _read_srv),
        Field(description="the SRVs; without it all of them"),
    ] = ()
    calls: Annotated[
        CallNumbers,
        Takes(CALL_FORMS, read_calls, write_calls, _CALLS),
        Field(
            description="which commands of an SRV to a meter, counted from 1; without it all of "
            "them"
        ),
    ] = ()
    start: Annotated[Instant | None, Field(alias="from", description="not before this time")] = None
    end: Annotated[Instant | None, Field(alias="to", description="before this time")] = None
    probability: Annotated[
        Share,
        Field(description="chance of each call, drawn by seed, rule, meter, SRV and call number"),
    ] = 1.0

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise FaultError("no time is left: `from` is not before `to`", "to")


EVERY_CALL = Selector()


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One fault, for the calls that `where` selects."""

    name: str
    """Unique among the rules of a fleet; draws depend on it."""
    fault: Fault
    where: Selector = EVERY_CALL

    @property
    def kind(self) -> str:
        """The kind of its fault."""
        return self.fault.kind


def matcher(selector: Selector, context: FaultContext) -> Matches:
    """Return a predicate that tells whether `selector` selects a call."""
    # The cheapest conditions come first.
    conditions: list[Matches] = []
    if selector.srvs:
        srvs = frozenset(selector.srvs)
        conditions.append(lambda call: call.srv in srvs)
    if selector.start is not None or selector.end is not None:
        start = -inf if selector.start is None else selector.start + EPOCH_UNIX
        end = inf if selector.end is None else selector.end + EPOCH_UNIX
        conditions.append(lambda call: start <= call.now < end)
    if selector.calls:
        calls = selector.calls
        conditions.append(lambda call: any(call.number in numbers for numbers in calls))
    if selector.profiles:
        profiles = frozenset(selector.profiles)
        conditions.append(lambda call: call.profile_of() in profiles)
    if selector.meters:
        is_named = meter_test(selector.meters)
        conditions.append(lambda call: is_named(call.device))
    if selector.fraction < 1:
        conditions.append(lambda call: is_drawn(selector, context, call.device))
    if selector.probability < 1:
        probability = selector.probability
        conditions.append(lambda call: context.unit(call, "probability") < probability)
    if len(conditions) == 1:
        return conditions[0]
    return lambda call: all(condition(call) for condition in conditions)


def meter_test(patterns: tuple[EuiPattern, ...]) -> Callable[[EUI], bool]:
    """Return a predicate for EUIs that match one of `patterns`; without patterns all match."""
    if not patterns:
        return lambda device: True
    exact = frozenset(pattern.eui for pattern in patterns if pattern.eui)
    globs = [pattern for pattern in patterns if not pattern.eui]
    if not globs:
        return exact.__contains__
    fits = re.compile("|".join(glob.regex() for glob in globs)).match
    return lambda device: device in exact or fits(str(device)) is not None


def is_drawn(selector: Selector, context: FaultContext, device: EUI) -> bool:
    """Return whether a meter belongs to the fraction that is drawn."""
    return context.lasting(device, "fraction") < selector.fraction
