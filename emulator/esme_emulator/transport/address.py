"""Where a broker is: the URL that a user writes, as parts.

Knows URLs. Shows no password, in no text.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from esme_emulator.runtime.errors import MisuseError
from esme_emulator.transport.base import TransportError
from esme_emulator.transport.credentials import without_credentials

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrlError(TransportError, MisuseError):
    """What is not the URL of a broker; the text is one line for the user."""


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
        """Return the broker of `mqtt://[user:password@]host[:port]`, or of `mqtts://` for TLS.

        Raises `BrokerUrlError` for anything else.
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
