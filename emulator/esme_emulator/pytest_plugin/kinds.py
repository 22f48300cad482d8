"""Whether values are of the kinds that the fields of a dataclass are declared to be.

Knows type hints; nothing of what the fields mean.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def check_kinds(declared: type[Any], values: Mapping[str, Any], where: str = "") -> None:
    """Raise `ValueError`, one line, for the first of `values` that its field cannot hold.

    `where` comes before its name. An int is a float too, and no bool is a number.
    """
    hints = get_type_hints(declared)
    for name, value in values.items():
        hint = hints[name]
        if not _fits(value, hint):
            wanted = hint.__name__ if isinstance(hint, type) else hint
            raise ValueError(f"{where}{name} {value!r}: give {wanted}")


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, inner[0]) for one in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float if hint is float else origin or hint)
