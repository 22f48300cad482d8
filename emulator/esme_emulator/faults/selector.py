"""Which calls a rule addresses: by meter, profile, SRV, number of the call, time and chance.

The configuration; `matcher` turns it into what is asked for every call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from re import compile as regex
from typing import Annotated, Any, TypeAlias

from esme_emulator.faults.base import Call
from esme_emulator.faults.calls import FORMS as CALL_FORMS
from esme_emulator.faults.calls import Calls, read_calls, write_calls
from esme_emulator.faults.context import Means
from esme_emulator.faults.errors import FaultError
from esme_emulator.faults.parameters import INSTANT, SHARE, Key, Takes
from esme_emulator.faults.pattern import FORMS as EUI_FORMS
from esme_emulator.faults.pattern import EuiPattern
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX

Matches: TypeAlias = Callable[[Call], bool]

_SRV = regex(r"[0-9]{1,2}(\.[0-9]{1,2}){1,2}|unknown")


def _several(read_one: Callable[[str], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads one text, or a list of at least one."""

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
        raise ValueError(f"{text!r:.100} is not the name of a profile")
    return text


def _texts(values: tuple[object, ...]) -> list[str] | None:
    return [str(value) for value in values] or None


_ONE_OR_LIST: dict[str, Any] = {
    "oneOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}
_METERS = Takes(
    f"an EUI or a pattern, or a list of these: {EUI_FORMS}",
    _ONE_OR_LIST,
    _several(EuiPattern.parse),
    _texts,
)
_PROFILES = Takes(
    "the name of a meter profile, or a list of names",
    _ONE_OR_LIST,
    _several(_read_name),
    _texts,
)
_SRVS = Takes("an SRV such as 4.8.1, or a list of SRVs", _ONE_OR_LIST, _several(_read_srv), _texts)
_CALLS = Takes(
    CALL_FORMS,
    {"oneOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]},
    read_calls,
    write_calls,
)


@dataclass(frozen=True, slots=True)
class Selector:
    """What must all hold of a call; without any parameter it is every call.

    Raises `FaultError` where no time fits.
    """

    meters: Annotated[
        tuple[EuiPattern, ...], Key(_METERS, "the meters; without it all of them")
    ] = ()
    profiles: Annotated[
        tuple[str, ...],
        Key(_PROFILES, "meters of these kinds, as the fleet names them", name="profile"),
    ] = ()
    fraction: Annotated[
        float,
        Key(SHARE, "this share of those meters, drawn by seed and rule: the same in every run"),
    ] = 1.0
    srvs: Annotated[tuple[str, ...], Key(_SRVS, "the SRVs; without it all of them")] = ()
    calls: Annotated[
        Calls,
        Key(_CALLS, "which commands of an SRV to a meter, counted from 1; without it all of them"),
    ] = ()
    start: Annotated[int | None, Key(INSTANT, "not before this time", name="from")] = None
    end: Annotated[int | None, Key(INSTANT, "before this time", name="to")] = None
    probability: Annotated[
        float, Key(SHARE, "chance of each call, drawn by seed, rule, meter, SRV and call number")
    ] = 1.0

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise FaultError("no time is left: `from` is not before `to`", "to")


EVERY_CALL = Selector()


def matcher(selector: Selector, means: Means) -> Matches:
    """Return whether a call is addressed, as a function; what costs least is asked first."""
    questions: list[Matches] = []
    if selector.srvs:
        srvs = frozenset(selector.srvs)
        questions.append(lambda call: call.srv in srvs)
    if selector.start is not None or selector.end is not None:
        start = -inf if selector.start is None else selector.start + EPOCH_UNIX
        end = inf if selector.end is None else selector.end + EPOCH_UNIX
        questions.append(lambda call: start <= call.now < end)
    if selector.calls:
        calls = selector.calls
        questions.append(lambda call: any(call.number in numbers for numbers in calls))
    if selector.profiles:
        profiles = frozenset(selector.profiles)
        questions.append(lambda call: call.profile_of() in profiles)
    if selector.meters:
        is_named = meter_test(selector.meters)
        questions.append(lambda call: is_named(call.device))
    if selector.fraction < 1:
        questions.append(lambda call: is_drawn(selector, means, call.device))
    if selector.probability < 1:
        probability = selector.probability
        questions.append(lambda call: means.unit(call, "probability") < probability)
    if len(questions) == 1:
        return questions[0]
    return lambda call: all(question(call) for question in questions)


def meter_test(patterns: tuple[EuiPattern, ...]) -> Callable[[EUI], bool]:
    """Return whether an EUI fits one of `patterns`, or there is none, as a function."""
    if not patterns:
        return lambda device: True
    exact = frozenset(pattern.eui for pattern in patterns if pattern.eui)
    globs = [pattern for pattern in patterns if not pattern.eui]
    if not globs:
        return exact.__contains__
    fits = regex("|".join(glob.regex() for glob in globs)).match
    return lambda device: device in exact or fits(str(device)) is not None


def is_drawn(selector: Selector, means: Means, device: EUI) -> bool:
    """Return whether a meter is of the fraction."""
    return means.lasting(device, "fraction") < selector.fraction
