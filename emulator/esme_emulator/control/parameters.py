"""Parse request parameters: EUIs and SRVs. Invalid ones raise an error answered with 422."""

from collections.abc import Callable

from fastapi import HTTPException

from esme_emulator.cache.policy.reads import names_of
from esme_emulator.monitor.counted_srvs import counted
from gbcs import EUI


def eui_of(text: str, name: str = "") -> EUI:
    """Return the EUI in `text`; an error begins with the parameter's `name`, if given."""
    try:
        return EUI.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"{name}: {error}" if name else str(error)) from None


def cached_srv(text: str | None) -> str | None:
    """Return `text` if it is None or an SRV whose readings a cache can store."""
    return _srv(text, names_of)


def counted_srv(text: str | None) -> str | None:
    """Return `text` if it is None or an SRV by which commands are counted."""
    return _srv(text, counted)


def _srv(text: str | None, check: Callable[[str], object]) -> str | None:
    if text is not None:
        try:
            check(text)
        except ValueError as error:
            reason = "; ".join(str(error).splitlines())
            raise HTTPException(422, f"srv: {reason}") from None
    return text
