"""Messages on a broker as `esme watch` shows them: a line for each, as text or as JSON.

Columns have fixed widths, so that each line can be printed at once.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from esme_emulator.cli.render.messages import padded, untyped, use_case_of
from esme_emulator.estate.estate import Estate
from esme_emulator.messaging.recording import Recorded, form_of
from esme_emulator.messaging.topics import PREFIXES, device_of
from gbcs import GbcsError, Message, decode
from gbcs.block_transfer import Block, Transfers
from gbcs.message import Status
from gbcs.usecases.outcome import outcome_of, srv_of

_VIA = {prefix: via for via, prefix in PREFIXES.items()}
_TIME = slice(11, 23)
"""Where hour to millisecond stand in ISO 8601."""

_WIDTHS = (12, 11, 6, 20, 16, 17, 18, 7)  # all columns but the last
_TITLES = ("time", "kind", "via", "party", "device", "SRV, use case", "result", " octets")


@dataclass(frozen=True, slots=True)
class Watched:
    """A message on a topic, decoded, or the error for which it could not be."""

    recorded: Recorded
    message: Message | None
    party: str = ""
    """The name of the remote party, or its EUI."""
    error: str = ""

    @classmethod
    def of(cls, recorded: Recorded, estate: Estate, transfers: Transfers) -> "Watched":
        """Decode a message with the keys of `estate`. An error becomes part of the result.

        The block that completes a transfer is shown as the whole message.
        """
        try:
            octets = transfers.whole(recorded.octets, recorded.topic, recorded.topic)
            if octets is None:
                return cls(recorded, None, error=Block.parse(recorded.octets).title)
            message = decode(octets, estate.keystore)
        except GbcsError as error:
            return cls(recorded, None, error=str(error))
        return cls(recorded, message, estate.name_of(message.remote_party))

    @property
    def via(self) -> str:
        """`cache` or `direct`, by the prefix of the topic."""
        return _VIA[self.recorded.prefix]

    def line(self) -> str:
        """Return the message as a line of text."""
        time = self.recorded.stamp[_TIME]
        length = f"{len(self.recorded.octets):>{_WIDTHS[-1]}}"
        message = self.message
        if message is None:
            device = str(device_of(self.recorded.topic))
            cells = (time, self.recorded.kind, self.via, "-", device, "-", "-", length)
        else:
            cells = (
                *(time, message.kind, self.via, self.party, str(message.device)),
                f"{srv_of(message)} {use_case_of(message)}".strip(),
                outcome_of(message),
                length,
            )
        return _line(
            (*cells, "; ".join((self.recorded.cache_status, *self.problems())).strip("; "))
        )

    def json_line(self) -> str:
        """Return the message as a line of JSON: the keys of a recording, and the decoded ones."""
        form: dict[str, Any] = {**form_of(self.recorded), "via": self.via}
        message = self.message
        if message is not None:
            form |= {
                "kind": message.kind,
                "party": str(message.remote_party),
                "party_name": self.party,
                "device": str(message.device),
                "srv": srv_of(message) or None,
                "use_case": message.use_case and message.use_case.name,
                "counter": message.originator_counter,
                "result": outcome_of(message) or None,
                "mac": message.mac_status.value,
                "signature": message.signature_status.value,
            }
        form |= {"octets": len(self.recorded.octets), "error": self.error or None}
        return json.dumps(form)

    def problems(self) -> Iterator[str]:
        """Yield the faults of the message."""
        if self.message is None:
            yield self.error
            return
        if self.message.mac_status is Status.INVALID:
            yield "MAC invalid"
        if self.message.signature_status is Status.INVALID:
            yield "signature invalid"
        yield from untyped(self.message)


def heading() -> str:
    """Return the titles of the columns."""
    return _line((*_TITLES, "cache status, problems"))


def _line(cells: Iterable[str]) -> str:
    *fixed, last = cells
    return "  ".join((*padded(fixed, _WIDTHS), last)).rstrip()
