"""Messages explained octet by octet, with the keys of the estate."""

from esme_emulator.control.journal_models import ExplainedMessage, LineState
from gbcs import GbcsError, Keystore, decode
from gbcs.explain import explain


def explained(octets: bytes, keystore: Keystore | None) -> ExplainedMessage:
    """Return a message with the meaning of its octets, or why it cannot be decoded.

    `keystore` verifies and decrypts; without its keys, encrypted attributes stay closed.
    """
    digits = octets.hex().upper()
    try:
        message = decode(octets, keystore)
        lines = explain(message)
    except GbcsError as error:
        return ExplainedMessage(octets=digits, kind=None, error=str(error))
    return ExplainedMessage(
        octets=digits,
        kind=message.kind,
        use_case=message.use_case.name if message.use_case else None,
        mac=message.mac_status,
        signature=message.signature_status,
        lines=[
            LineState(
                offset=line.offset,
                octets=line.octets.hex().upper(),
                field=line.field,
                meaning=line.meaning,
                depth=line.depth,
                decrypted=line.decrypted,
            )
            for line in lines
        ],
    )
