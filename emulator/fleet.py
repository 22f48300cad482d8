"""A fleet: many meters behind one door, without I/O.

Knows which EUIs it hosts, counts every command when it is received, and gives each reply with the
delay to wait before it is sent. Only meters that were asked leave anything in memory.
"""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from emulator.device.meter import answer
from emulator.latency import Latency
from emulator.own_counter import METER, OwnCounter
from emulator.reception import UNKNOWN_SRV, Discarded, accept
from emulator.seeded import draw_unit
from gbcs import EUI, Keystore

NOT_HOSTED = "not-hosted"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a command: a `reply` goes to `recipient` after `delay` seconds."""

    srv: str
    outcome: str
    recipient: EUI | None = None
    reply: bytes | None = None
    delay: float = 0.0


class Fleet:
    """The meters of `hosted`, with keys from `keystore` and everything else from `seed`."""

    def __init__(
        self, hosted: Container[EUI], keystore: Keystore, seed: str, latency: Latency
    ) -> None:
        self._hosted = hosted
        self._keystore = keystore
        self._seed = seed
        self._latency = latency
        self._own_counters: dict[EUI, OwnCounter] = {}
        self.received: Counter[tuple[EUI, str]] = Counter()
        """Commands by meter and SRV, counted when they are received."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """Commands by SRV and outcome."""

    def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
        """Return what becomes of a command for `device` at `now`, Unix time in seconds."""
        if device not in self._hosted:
            return self._count(device, Receipt(UNKNOWN_SRV, NOT_HOSTED))
        accepted = accept(device, octets, self._keystore)
        if isinstance(accepted, Discarded):
            return self._count(device, Receipt(accepted.srv, accepted.reason))
        command, srv = accepted.command, accepted.srv
        said = answer(
            self._seed, command, self._keystore, now, lambda: self._own_counter(device, now)
        )
        number = self.received[device, srv]
        drawn = draw_unit(self._seed, "latency", f"{device} {srv} {number}".encode())
        delay = self._latency.seconds(drawn)
        receipt = Receipt(srv, said.outcome, command.originator, said.octets, delay)
        return self._count(device, receipt)

    def _own_counter(self, device: EUI, now: float) -> int:
        return self._own_counters.setdefault(device, OwnCounter(METER)).next(now)

    def _count(self, device: EUI, receipt: Receipt) -> Receipt:
        if receipt.outcome != NOT_HOSTED:
            self.received[device, receipt.srv] += 1
        self.outcomes[receipt.srv, receipt.outcome] += 1
        return receipt
