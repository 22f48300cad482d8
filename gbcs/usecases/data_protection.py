"""Protected attributes: the protection parameters of a transaction, and encrypted answers.

Knows the parameters of a data protection object (class 30), and encrypts an answer under them for
the requesting party. Knows nothing of what the attributes are.

Source: GBCS v4.1 section 8.5; the vectors of ECS17b, ECS20b, ECS21a, ECS21b and ECS22b.
"""

from gbcs.axdr import write_length
from gbcs.crypto.keystore import Keystore
from gbcs.crypto.protection import encrypt
from gbcs.dlms.data import Data, DataType, array, data_spans, enum, octet_string, structure
from gbcs.errors import AuthenticationError
from gbcs.eui import EUI
from gbcs.message import Command
from gbcs.sealing import attribute_key
from gbcs.templates import Span, Writer
from gbcs.usecases.responding import answering

_AGREED_KEY = enum(2)
_EMPTY = octet_string(b"")
_KEY_PARAMETERS = structure(_AGREED_KEY, structure(octet_string(b"\x02"), _EMPTY))
_ENCRYPTION = enum(2)
_TRANSACTION_ID = b"\x04"  # first octet of a transaction id, the counter follows
_STRUCTURE = bytes((DataType.STRUCTURE,))


def protection_parameters(counter: int, originator: EUI, recipient: EUI) -> Data:
    """Return the protection parameters of a transaction, for encryption with an agreed key."""
    transaction = structure(
        octet_string(transaction_id(counter)),
        octet_string(bytes(originator)),  # not an EUI, as in parameters that were read
        octet_string(bytes(recipient)),
        _EMPTY,
        _KEY_PARAMETERS,
    )
    return array(structure(_ENCRYPTION, transaction))


def names_transaction(parameters: Data, counter: int, originator: EUI, recipient: EUI) -> bool:
    """Return whether `parameters` are the protection parameters of exactly this transaction."""
    # Compared as a whole: a command must not reuse parameters of another party or transaction.
    wanted = (transaction_id(counter), originator, recipient)
    match parameters:
        case Data(
            DataType.ARRAY,
            (Data(DataType.STRUCTURE, (kind, Data(DataType.STRUCTURE, (*names, empty, key)))),),
        ):
            return (
                kind == _ENCRYPTION
                and empty == _EMPTY
                and key == _KEY_PARAMETERS
                and tuple([name.value for name in names]) == wanted
                and all(name.type is DataType.OCTET_STRING for name in names)
            )
    return False


def protect(
    command: Command, values: tuple[bytes, ...], keystore: Keystore, own_counter: int | None
) -> bytes:
    """Return the answer to a read of protected attributes: parameters, and `values` encrypted.

    All are A-XDR. `own_counter` is the device's own counter if the party is behind the ACB. Raises
    `AuthenticationError` if a key is missing.
    """
    plaintext = b"".join((_STRUCTURE, write_length(len(values)), *values))
    behind, device, counter = command.supplementary, command.recipient, command.originator_counter
    key = attribute_key(
        device,
        command.originator,
        counter,
        answering(behind, own_counter),
        keystore,
        behind.certificate if behind else b"",
    )
    if key is None:
        raise AuthenticationError(
            f"no key to encrypt for {command.remote_party}: the keystore needs the 'ka' keys of "
            "the party and of the device, one of them private"
        )
    blob = encrypt(key, device, plaintext)
    gaps = transaction_id(counter), device, command.originator, blob
    octets = _WRITE.fill(len(blob), gaps)
    if octets is None:
        parameters = protection_parameters(counter, device, command.originator)
        octets = built = structure(parameters, octet_string(blob)).octets()
        _WRITE.learn(len(blob), gaps, lambda: built)
    return octets


def _spans(octets: bytes) -> list[Span]:
    return data_spans((Data.parse(octets),), len(octets))


_WRITE = Writer(_spans)


def transaction_id(counter: int) -> bytes:
    """Return the transaction id of protection parameters, 9 octets."""
    return _TRANSACTION_ID + counter.to_bytes(8, "big")
