"""What is asked for in texts: devices, parties and SRVs, or why they are none.

Raises what the control interface answers with a status of 422.
"""

from fastapi import HTTPException

from emulator.cache.reads import CACHEABLE_SRVS
from gbcs import EUI


def eui_of(text: str, what: str = "") -> EUI:
    """Return the EUI that a text gives; `what` it is begins the reason where it gives none."""
    try:
        return EUI.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"{what}: {error}" if what else str(error)) from None


def cached_srv(text: str | None) -> str | None:
    """Return an SRV that a cache can keep readings of, or None where none is given."""
    if text is not None and text not in CACHEABLE_SRVS:
        srvs = sorted(CACHEABLE_SRVS, key=lambda srv: [int(part) for part in srv.split(".")])
        raise HTTPException(422, f"srv: {text!r:.30} is never kept: give one of {', '.join(srvs)}")
    return text
