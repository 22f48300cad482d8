"""Construct frozen dataclasses in a third of the time.

The constructor of a frozen dataclass sets each field through `object.__setattr__`. A twin class
that is not frozen sets fields directly. Both have the same slots, so an instance of the twin turns
into one of the frozen class by assigning `__class__`. Knows nothing of what the dataclasses mean.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, ParamSpec, TypeVar

from gbcs.generated import function

P = ParamSpec("P")
T = TypeVar("T")


def twin(cls: Any) -> type[Any]:
    """Return a class without constructor that has the slots of the dataclass `cls`.

    Raises `TypeError` if `cls` has no slots.
    """
    if not hasattr(cls, "__slots__"):
        raise TypeError(f"{cls.__name__} has no slots")
    return type(cls.__name__, (), {"__slots__": tuple([field.name for field in fields(cls)])})


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    r"""Return a function that constructs instances of `cls` in a third of the time.

    It takes the arguments of the constructor. `cls` must be a dataclass with slots and without
    `__post_init__`; raises `TypeError` for any other.

    >>> from gbcs.opaque import Opaque
    >>> maker(Opaque)(b"\x01") == Opaque(b"\x01")
    True
    """
    frozen: Any = cls
    if hasattr(frozen, "__post_init__"):
        raise TypeError(f"{frozen.__name__} has a __post_init__ that would not run")
    names: dict[str, Any] = {"__name__": __name__, "twin": twin(frozen), "frozen": frozen}
    positional: list[str] = []
    keyword: list[str] = []
    lines = ["made = twin()"]
    for field in fields(frozen):
        value = field.name
        if field.default is not MISSING:
            names[f"default_{field.name}"] = field.default
            value = f"default_{field.name}"
        if field.init:
            (keyword if field.kw_only else positional).append(_parameter(field))
            value = field.name
        lines.append(f"made.{field.name} = {value}")
    arguments = ", ".join([*positional, *(["*", *keyword] if keyword else [])])
    made: Callable[P, T] = function(
        arguments, [*lines, "made.__class__ = frozen", "return made"], names
    )
    return made


def _parameter(field: Field[Any]) -> str:
    return field.name if field.default is MISSING else f"{field.name}=default_{field.name}"
