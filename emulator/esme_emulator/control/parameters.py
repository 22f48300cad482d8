"""What is asked for in texts: devices, parties and SRVs, or why they are none.

Raises what the control interface answers with a status of 422.
"""

from collections.abc import Callable

from fastapi import HTTPException

from esme_emulator.cache.policy.reads import names_of
from esme_emulator.monitor.counted_srvs import counted
from gbcs import EUI


def eui_of(text: str, what: str = "") -> EUI:
    """Return the EUI that a text gives; `what` it is begins the reason where it gives none."""
    try:
        return EUI.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"{what}: {error}" if what else str(error)) from None


def cached_srv(text: str | None) -> str | None:
    """Return an SRV that a cache can keep readings of, or None if none is given."""
    return _srv(text, names_of)


def counted_srv(text: str | None) -> str | None:
    """Return an SRV that commands are counted by, or None if none is given."""
    return _srv(text, counted)


def _srv(text: str | None, check: Callable[[str], object]) -> str | None:
    if text is not None:
        try:
            check(text)
        except ValueError as error:
            reason = "; ".join(str(error).splitlines())
            raise HTTPException(422, f"srv: {reason}") from None
    return text
