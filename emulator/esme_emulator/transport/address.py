"""URLs of brokers and stores: their parts, and their user and password, which no text shows.

Pure. Knows URLs, correct ones and mistyped ones.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from esme_emulator.runtime.errors import MisuseError
from esme_emulator.transport.base import TransportError

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrlError(TransportError, MisuseError):
    """A text that is not the URL of a broker; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker on a network.

    >>> str(BrokerAddress.parse("mqtts://[::1]"))
    '[::1]:8883'
    """

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """Parse `mqtt://[user:password@]host[:port]`, or `mqtts://` for TLS.

        Raises `BrokerUrlError` for any other text.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
                raise ValueError
            if parts.path not in ("", "/") or parts.query or parts.fragment:
                raise ValueError
        except ValueError:
            raise BrokerUrlError(
                f"{without_credentials(url)!r} is not the URL of a broker: "
                "write mqtt://[user:password@]host[:port], or mqtts:// for TLS"
            ) from None
        return cls(
            host=parts.hostname,
            port=port or _DEFAULT_PORTS[parts.scheme],
            tls=parts.scheme == "mqtts",
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


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
