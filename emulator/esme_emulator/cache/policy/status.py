"""How a reply came about, in the words of Cache-Status.

Source: RFC 9211, section 2: `hit`, `fwd`, `ttl`, `stored`, `collapsed` and `detail`.
"""

from dataclasses import dataclass

NAME = "s1sp"
"""Name of this cache in a Cache-Status."""


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """How one reply came about; its text is the Cache-Status."""

    fwd: str = ""
    """Why the meter was asked: miss, bypass or stale; empty for a hit."""
    ttl: int | None = None
    """Seconds for which it would still be a hit; None unless it is one."""
    collapsed: bool = False
    stored: bool = False
    detail: str = ""
    """Such as why it was not stored; may be empty."""

    def __str__(self) -> str:
        words = [NAME, f"fwd={self.fwd}" if self.fwd else "hit"]
        if self.ttl is not None:
            words.append(f"ttl={self.ttl}")
        if self.collapsed:
            words.append("collapsed")
        if self.stored:
            words.append("stored")
        if self.detail:
            words.append(f"detail={self.detail}")
        return "; ".join(words)


def hit(ttl: int, detail: str = "") -> CacheStatus:
    """Return the status of a reply from the store that would be a hit for `ttl` more seconds."""
    return CacheStatus(ttl=ttl, detail=detail)


def forwarded(
    why: str, *, collapsed: bool = False, stored: bool = False, detail: str = ""
) -> CacheStatus:
    """Return the status of a meter's reply; `why` it was asked is miss, bypass or stale."""
    return CacheStatus(why, collapsed=collapsed, stored=stored, detail=detail)
