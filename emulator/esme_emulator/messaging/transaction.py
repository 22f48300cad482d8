"""What a command and the response to it have in common."""

from typing import NamedTuple

from gbcs import CRA, EUI, Message


class Transaction(NamedTuple):
    """Identifies a command and its response. `originator` is the command's, on the wire."""

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
