"""URLs of brokers and stores, whose user and password no text shows.

Pure. Knows correct URLs and mistyped ones.
"""

import re
from urllib.parse import quote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+")
_HOST = re.compile(r"(\[[^\]]*\]|[^:/]*)(?::\d*)?(?:/.*)?", re.DOTALL)
"""Host, port and path: the parts of a URL that may be shown."""


def without_credentials(url: str) -> str:
    """Return a URL as it may be shown: without user, password and query.

    A mistyped URL may have its password anywhere, so everything but host, port and path is left
    out.

    >>> without_credentials("mqtt:/me:secret@host:1883")
    'mqtt:/host:1883'
    >>> without_credentials("mqtt://me:secret.host")
    'mqtt://me:…'
    """
    scheme = match[0] if (match := _SCHEME.match(url)) else ""
    rest = url[len(scheme) :].rpartition("@")[2]
    shown, query, _ = rest.partition("?")
    host = _HOST.match(shown)
    if host is not None and host[0] != shown:
        return f"{scheme}{host[1]}:…"
    return f"{scheme}{shown}{query and '?…'}"


def with_password(url: str, password: str) -> str:
    """Return a URL with a password for its user, or without a user if it names none.

    Raises `ValueError` if the URL has a password already or is not a URL; the text shows neither.

    >>> with_password("mqtt://me@host", "a/b")
    'mqtt://me:a%2Fb@host'
    """
    match = _SCHEME.match(url)
    if match is None:
        raise ValueError("this is not a URL")
    user, _, host = url[match.end() :].rpartition("@")
    if ":" in user:
        raise ValueError("the URL has a password already")
    return f"{match[0]}{user}:{quote(password, safe='')}@{host}"


def user_of(url: str) -> str:
    """Return the user of a URL, empty if it names none."""
    match = _SCHEME.match(url)
    return url[match.end() :].rpartition("@")[0].partition(":")[0] if match else ""


def is_http_url(url: str) -> bool:
    """Return whether a client can connect to `url` over HTTP: its host, port and octets are valid.

    >>> is_http_url("http://127.0.0.1:8079"), is_http_url("http://127.0.0.1:80790")
    (True, False)
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        # `xn--a` and `a..b` are no host names; HTTP clients raise errors of their own for them.
        host.encode("idna").decode("idna")
    except ValueError:
        return False
    # urlsplit skips control characters, which clients refuse.
    return parts.scheme in ("http", "https") and bool(host) and port != 0 and url.isprintable()
