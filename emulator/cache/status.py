"""How a reply came about, in the words of Cache-Status.

Source: RFC 9211, section 2: `hit`, `fwd`, `ttl`, `stored`, `collapsed` and `detail`.
"""

NAME = "s1sp"
"""Of this cache."""


def hit(ttl: int, detail: str = "") -> str:
    """Return the status of a reply from the store that would be so for `ttl` more seconds."""
    return _status("hit", f"ttl={ttl}", detail=detail)


def forwarded(why: str, *, collapsed: bool = False, stored: bool = False, detail: str = "") -> str:
    """Return the status of what a meter said; `why` it was asked: miss, bypass or stale."""
    words = [word for word, so in (("collapsed", collapsed), ("stored", stored)) if so]
    return _status(f"fwd={why}", *words, detail=detail)


def _status(*words: str, detail: str) -> str:
    return "; ".join((NAME, *words, *([f"detail={detail}"] if detail else [])))
