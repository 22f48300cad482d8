"""The SRVs by which device hits are counted; asking for any other is refused, not answered 0."""

from difflib import get_close_matches

from esme_emulator.cache.policy.reads import in_order
from esme_emulator.messaging.validation import UNKNOWN_SRV
from gbcs.tables.use_cases import USE_CASES, for_srv

_SRVS = tuple(in_order({row.srvs[0] for row in USE_CASES if row.srvs}))
_COUNTED = frozenset({UNKNOWN_SRV, *_SRVS})


def counted(srv: str | None) -> str | None:
    """Return `srv` if hits are counted by it; None stands for all.

    Raises `ValueError`, with the SRVs on a second line, for any other SRV.
    """
    if srv is None or srv in _COUNTED:
        return srv
    others = for_srv(srv)
    if others:
        hint = f"its commands are counted as {others[0].srvs[0]}"
    else:
        close = get_close_matches(str(srv), sorted(_COUNTED), 1)
        meant = f"did you mean {close[0]}?" if close else "write one such as 4.8.1"
        hint = f"{meant}\ncounted are {', '.join(_SRVS)} and {UNKNOWN_SRV}"
    raise ValueError(f"no device hit is counted as SRV {srv!r:.30}: {hint}")
