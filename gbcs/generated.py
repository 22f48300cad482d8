"""Functions generated from Python source, like those of construct and of dataclasses.

Knows nothing of what they do.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any


def function(arguments: str, lines: Sequence[str], names: dict[str, Any]) -> Callable[..., Any]:
    """Return the function with this body. `names` are the globals that it refers to.

    The source must be made of names of our own alone: values belong into `names`.

    >>> function("number", ["return number + one"], {"one": 1})(2)
    3
    """
    source = "\n    ".join([f"def generated({arguments}):", *lines])
    exec(_compiled(source), names)  # noqa: S102  # see above
    made: Callable[..., Any] = names["generated"]
    return made


@lru_cache(maxsize=64)
def _compiled(source: str) -> CodeType:
    return compile(source, "<generated>", "exec")
