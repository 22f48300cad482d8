"""Use matplotlib with its default settings, so that figures are the same on every machine.

Imports matplotlib only when something is drawn. Knows nothing of what is drawn.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from esme_emulator.runtime.errors import UserError

_ENVIRONMENT = {"MPLBACKEND": "svg"}
"""matplotlib reads this once, on import. The user's own backend may not even be installed here."""


class DrawingError(UserError):
    """matplotlib is installed but does not work; the text is one line for the user."""


@contextmanager
def shipped_settings(settings: Mapping[Any, Any]) -> Iterator[None]:
    """Apply matplotlib's defaults and `settings`, and restore the user's settings afterwards.

    The user's backend, matplotlibrc, style and cache folder have no effect. Raises `ImportError`
    if matplotlib is not installed, and `DrawingError` if it cannot start.
    """
    with _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated settings
        try:
            with _environment(_ENVIRONMENT):
                from matplotlib import rc_context, rcParamsDefault
        except (OSError, ValueError, RuntimeError) as error:
            # For example, a matplotlibrc in this folder that is not text.
            raise DrawingError(f"matplotlib does not work here: {error}") from None
        # Leave the backend out: it is for windows, and setting it loads it.
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
    """Suppress matplotlib's warnings about the user's matplotlibrc, fonts and cache folder."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
