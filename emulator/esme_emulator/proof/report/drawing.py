"""matplotlib as it is shipped: figures that depend on no setting of the user.

Knows matplotlib, which is loaded when something is drawn; not what is drawn.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from esme_emulator.runtime.errors import UserError

_ENVIRONMENT = {"MPLBACKEND": "svg"}
"""Read once, when matplotlib is imported. The user's backend may not even be installed here."""


class DrawingError(UserError):
    """matplotlib is installed and cannot be used; the text is one line for the user."""


@contextmanager
def shipped_settings(settings: Mapping[Any, Any]) -> Iterator[None]:
    """Have matplotlib draw by the defaults that it ships and by `settings` alone.

    The user's backend, matplotlibrc, style and cache folder are of no matter, and are the same
    again afterwards. Raises `ImportError` if matplotlib is not installed, and `DrawingError` if
    it cannot start.
    """
    with _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings that matplotlib is going to drop
        try:
            with _environment(_ENVIRONMENT):
                from matplotlib import rc_context, rcParamsDefault
        except (OSError, ValueError, RuntimeError) as error:
            # such as a matplotlibrc in this folder that is no text
            raise DrawingError(f"matplotlib cannot be used here: {error}") from None
        # Not the backend: it is for windows, and is loaded when it is set.
        names = (name for name in rcParamsDefault if not name.startswith("backend"))
        taken: dict[Any, Any] = {name: rcParamsDefault[name] for name in names}
        with rc_context({**taken, **settings}):
            yield


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _silent() -> Iterator[None]:
    """Let matplotlib not complain of a user's matplotlibrc, fonts or cache folder."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
