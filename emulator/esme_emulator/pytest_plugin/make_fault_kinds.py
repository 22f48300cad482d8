"""Writes `fault_kinds.py`, a method for every kind of fault: `python -m` this module.

Knows the registry of faults, and how a parameter's JSON Schema is written as a type.
"""

from pathlib import Path
from textwrap import wrap

from esme_emulator.faults.parameters import Parameter
from esme_emulator.faults.registry import KindDescription, kinds

MODULE = Path(__file__).with_name("fault_kinds.py")

_HEAD = '''\
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
'''

_INDENT = " " * 8
_TYPES = {"number": "float", "integer": "int", "string": "str"}


def source() -> str:
    """Return the text of the module."""
    return _HEAD + "".join(f"\n{_method(kind)}" for kind in kinds())


def _method(kind: KindDescription) -> str:
    name = kind.name.replace("-", "_")
    own = [f"{parameter.key}: {_type(parameter)}" for parameter in kind.parameters]
    passed = [f"{parameter.key}={parameter.key}" for parameter in kind.parameters]
    signature = ", ".join(["self", *(["*", *own] if own else []), "**where: Unpack[Where]"])
    lines = [f'    def {name}({signature}) -> "Armed":']
    if len(lines[0]) > 100:
        inner = ["self", "*", *own]
        lines = [
            f"    def {name}(",
            *[f"        {one}," for one in inner],
            "        **where: Unpack[Where],",
            '    ) -> "Armed":',
        ]
    call = f"        return self.rule({', '.join([repr(kind.name), *passed, '**where'])})"
    doc = [
        f'        """Return a rule of `{kind.name}`.',
        "",
        *wrap(kind.doc, 92, initial_indent=_INDENT, subsequent_indent=_INDENT),
        f'{_INDENT}"""',
    ]
    return "\n".join([*lines, *doc, call.replace("'", '"'), ""])


def _type(parameter: Parameter) -> str:
    named = _TYPES[parameter.takes.schema["type"]]
    if parameter.default is None:
        return f"{named} | None = None"
    default = repr(parameter.default).replace("'", '"')
    return f"{named} = {default}"


if __name__ == "__main__":
    MODULE.write_text(source(), "utf-8")
