"""What is asked for in texts: devices, parties and SRVs, or why they are none.

Raises what the control interface answers with a status of 422.
"""

from fastapi import HTTPException

from emulator.cache.reads import names_of
from gbcs import EUI


def eui_of(text: str, what: str = "") -> EUI:
    """Return the EUI that a text gives; `what` it is begins the reason where it gives none."""
    try:
        return EUI.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"{what}: {error}" if what else str(error)) from None


def cached_srv(text: str | None) -> str | None:
    """Return an SRV that a cache can keep readings of, or None where none is given."""
    if text is not None:
        try:
            names_of(text)
        except ValueError as error:
            raise HTTPException(422, f"srv: {error}") from None
    return text
