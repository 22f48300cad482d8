"""Fuzz the codec with atheris: `python tests/fuzz/decode.py -max_total_time=600`.

Any octets must decode to a message that encodes to them, also through JSON, or raise `DecodeError`.
Not part of the test suite: install atheris by hand (`pip install atheris`). The octets are tried as
a message and as the content of one, so that the fuzzer gets past the envelope. Its first inputs are
the vectors of the RTDS, if present.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gbcs"]):
    from gbcs import EUI, Alert, Command, DecodeError, Message, Opaque, Response, decode, encode
    from gbcs.explain import explain
    from gbcs.json_form import from_json, to_json

from tests.support.rtds import vectors

DEVICE, PARTY = EUI.parse("00DBE50000000000"), EUI.parse("90B3D51F30010000")
ENVELOPES: tuple[type[Message], ...] = (Command, Response, Alert)


def check(octets: bytes) -> None:
    try:
        message = decode(octets)
    except DecodeError:
        return
    assert encode(message) == octets
    assert encode(from_json(to_json(message))) == octets
    explain(message)


def fuzz(octets: bytes) -> None:
    check(octets)
    if len(octets) > 3:
        envelope = ENVELOPES[octets[0] % len(ENVELOPES)]
        message = envelope(
            originator=PARTY,
            recipient=DEVICE,
            originator_counter=1,
            message_code=int.from_bytes(octets[1:3], "big"),
            payload=Opaque(octets[3:]),
            mac=bytes(12),
        )
        check(encode(message))


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for vector in vectors():
            (Path(corpus) / vector.name).write_bytes(vector.octets)
        atheris.Setup([*sys.argv, corpus], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
