"""GBCS commands of DUIS requests.

The originator of a command is the user, or the Access Control Broker (ACB) if meters do not know
the user.
"""

from esme_emulator.gateway.documents import CreateSchedule, Request
from esme_emulator.gateway.keys import DuisKeys
from gbcs import EUI, Command
from gbcs.usecases.read_request import Window


class CommandError(ValueError):
    """A request that makes no GBCS command; one line. Answer E11."""


class CommandBuilder:
    """Builds commands; keeps the ACB's own counter."""

    def __init__(self, keys: DuisKeys) -> None:
        raise NotImplementedError

    def command(self, request: Request, kind: str, now: float) -> tuple[Command, bytes]:
        """Return the command of an admitted request (variants 1 and 5), and its octets.

        `kind` is that of the meter. Raises `CommandError`.
        """
        raise NotImplementedError

    def pre_command(self, request: Request) -> bytes:
        """Return the pre-command of an admitted request of variant 4. Raises `CommandError`."""
        raise NotImplementedError

    def scheduled(
        self, details: CreateSchedule, user: EUI, kind: str, window: Window | None, now: float
    ) -> tuple[Command, bytes]:
        """Return the command of one run of a schedule of `user`, and its octets.

        It is between device and ACB, with the user as supplementary party. Raises `CommandError`.
        """
        raise NotImplementedError
