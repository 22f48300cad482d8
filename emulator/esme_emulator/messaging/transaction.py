"""The transaction that a command and its response share."""

from typing import NamedTuple

from gbcs import CRA, EUI, Message


class Transaction(NamedTuple):
    """Identifies a command and its response. `originator` is that of the command."""

    device: EUI
    originator: EUI
    counter: int
    message_code: int
    party: EUI


def transaction_of(message: Message) -> Transaction:
    """Return the transaction of a command or of a response."""
    originator = message.originator if message.cra is CRA.COMMAND else message.recipient
    return Transaction(
        message.device,
        originator,
        message.originator_counter,
        message.message_code,
        message.remote_party,
    )
