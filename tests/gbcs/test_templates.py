"""Templates say what the schema says: the same values, the same octets, the same refusals."""

import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256, shake_128

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER, RemoteParty
from gbcs import (
    EUI,
    Command,
    DecodeError,
    EncodeError,
    GbcsError,
    Keystore,
    Message,
    Supplementary,
    decode,
    encode,
    open_message,
    read_content,
    templates,
)
from gbcs.dlms import access
from gbcs.dlms.access import AccessRequest
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, DataType
from gbcs.tables.reading_services import READING_SERVICES, ReadingService
from gbcs.tables.roles import Role
from gbcs.templates import (
    MAX_CONCLUSIONS,
    MAX_KEYS,
    MAX_SHAPES,
    TURNS,
    Memo,
    Reader,
    Template,
    Writer,
)
from gbcs.usecases import read_request
from gbcs.usecases.answer import answer_reading, needs_own_counter
from gbcs.usecases.read_request import Window, read_requests_of, reading_command
from tests.support.rtds import needs_rtds, vectors
from tests.support.strategies import messages

KEYS = DerivedKeystore("templates")
METER, OTHER_METER = EUI.parse("00DBE50000000001"), EUI.parse("00DBE5000000A0B7")
WINDOW, OTHER_WINDOW = Window(820_368_000, 820_454_400), Window(600_001_800, 820_540_799)
SEARCH = settings(max_examples=150)
LEARNED = 3
"""Times that octets must come until they are read or written by template."""


def _outcome(call: Callable[[], object]) -> str:
    """Return everything about a result or an error, also what comparisons leave out."""
    try:
        return repr(call())
    except GbcsError as error:
        return f"{type(error).__name__}: {error}"


def _read(octets: bytes, keystore: Keystore | None) -> tuple[object, ...]:
    message = decode(octets, keystore)
    in_steps = read_content(open_message(octets, keystore), keystore)
    return message, in_steps, read_requests_of(message), encode(message).hex()


def _check(octets: bytes, keystore: Keystore | None = KEYS) -> None:
    found = _outcome(partial(_read, octets, keystore))
    with templates.disabled():
        assert found == _outcome(partial(_read, octets, keystore))


def _party(counter: int = 1, behind: bool = False) -> RemoteParty:
    return RemoteParty(
        *(OTHER_USER if behind else SUPPLIER, frozenset({Role.IS}), KEYS, counter), behind
    )


def _ask(
    service: ReadingService, device: EUI = METER, counter: int = 1, behind: bool = False
) -> tuple[Command, bytes]:
    window = WINDOW if service.windowed else None
    return _party(counter, behind).ask(device, service, window)


def _answer(service: ReadingService, command: Command, rows: int, own_counter: int) -> bytes:
    table = CompactArray.of(bytes.fromhex("02020606"), [(7, 8)] * rows)
    values: list[tuple[Data | bytes, ...]] = [
        tuple([Data(DataType.COMPACT_ARRAY, table).octets()] * len(each.attributes))
        for each in service.accesses
    ]
    counter = own_counter if needs_own_counter(command, values) else None
    return answer_reading(
        command, values, KEYS, counter, bytes(12) if service.carries_time else b""
    )


SERVICES = pytest.mark.parametrize("service", READING_SERVICES, ids=lambda each: each.use_case)


@SERVICES
@pytest.mark.parametrize("behind", [False, True])
def test_commands_of_every_reading_service(service: ReadingService, behind: bool) -> None:
    for counter in (1, 2**24, 2**64 - 1, 0x0102030405060708):
        for device in (METER, OTHER_METER, METER):
            command, octets = _ask(service, device, counter, behind)
            with templates.disabled():
                again, slow_octets = _ask(service, device, counter, behind)
            assert repr(command) == repr(again)
            assert octets.hex() == slow_octets.hex()
            _check(octets)
    assert service.message_code in read_request._WRITE._learned.by_key


@SERVICES
@pytest.mark.parametrize("behind", [False, True])
def test_replies_of_every_reading_service(service: ReadingService, behind: bool) -> None:
    for rows in (0, 1, 49):
        for counter in range(5, 5 + LEARNED + 1):
            command, _ = _ask(service, METER, counter, behind)
            octets = _answer(service, command, rows, own_counter=counter)
            with templates.disabled():
                assert octets.hex() == _answer(service, command, rows, own_counter=counter).hex()
            _check(octets)


def _changed(octets: bytes) -> list[bytes]:
    """Return the octets with each octet changed in turn, and of other lengths."""
    changed = [
        octets[:at] + bytes((octets[at] ^ bits,)) + octets[at + 1 :]
        for at in range(len(octets))
        for bits in (0x01, 0x02, 0x80, 0xFF)
    ]
    return [*changed, *[octets[:size] for size in range(len(octets))], octets + b"\0", b""]


@pytest.mark.parametrize("use_case", ["ECS22b", "ECS22a", "ECS21a", "ECS23", "ECS17b"])
@pytest.mark.parametrize("behind", [False, True])
def test_every_octet_of_a_learned_message_matters(use_case: str, behind: bool) -> None:
    """What was changed in a message is in the value, or is refused as the schema refuses it."""
    service = next(each for each in READING_SERVICES if each.use_case == use_case)
    command, octets = _ask(service, behind=behind)
    for message in (octets, _answer(service, command, 3, own_counter=9)):
        for _ in range(LEARNED):
            decode(message)
        for each in _changed(message):
            _check(each, keystore=None)


@SEARCH
@given(messages(), st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), max_size=4))
def test_any_message_that_was_learned_and_edited(
    message: Message, edits: list[tuple[int, int]]
) -> None:
    octets = bytearray(encode(message))
    for _ in range(LEARNED):
        _check(bytes(octets))
    for position, bits in edits:
        octets[position % len(octets)] ^= bits
        _check(bytes(octets))


@needs_rtds
def test_every_message_of_the_rtds() -> None:
    for number, vector in enumerate(vectors()):
        for _ in range(LEARNED):
            _check(vector.octets, keystore=None)
        step = 7 if vector.reads_a_log else 61
        for at in range(number % step, len(vector.octets), step):
            changed = bytearray(vector.octets)
            changed[at] ^= 0x11
            _check(bytes(changed), keystore=None)


@given(st.binary(max_size=60))
def test_values_that_were_learned(octets: bytes) -> None:
    for _ in range(LEARNED):
        found = _outcome(partial(Data.parse, octets))
    with templates.disabled():
        assert found == _outcome(partial(Data.parse, octets))


@given(
    st.integers(-1, 2**64),
    st.integers(-1, 2**32),
    st.integers(-1, 2**32),
    st.sampled_from(READING_SERVICES),
    st.binary(min_size=7, max_size=9).map(EUI),
)
def test_fields_that_do_not_fit_are_refused_alike(
    counter: int, start: int, end: int, service: ReadingService, device: EUI
) -> None:
    def written() -> str:
        try:
            command = reading_command(
                service,
                device=device,
                originator=SUPPLIER,
                counter=counter,
                window=Window(start, end) if service.windowed else None,
            )
            return encode(replace(command, mac=None)).hex()
        except (EncodeError, OverflowError) as error:
            return repr(error)

    found = written()
    with templates.disabled():
        assert found == written()


# Parameters of another transaction


def _named(command: Command) -> list[Message]:
    """Return commands with the same content in other transactions."""
    behind = Supplementary(OTHER_USER, 1)
    return [
        replace(command, originator_counter=command.originator_counter + 1),
        replace(command, originator=OTHER_USER),
        replace(command, recipient=OTHER_METER),
        replace(command, supplementary=behind),
    ]


def test_a_command_with_the_parameters_of_another_transaction_reads_nothing() -> None:
    service = next(each for each in READING_SERVICES if each.use_case == "ECS22b")
    for _ in range(LEARNED + 1):
        command = decode(_ask(service)[1])
        requests = read_requests_of(command)
        assert requests is not None
        assert requests[0].attributes[0].window == WINDOW
        assert isinstance(command, Command)
        assert [read_requests_of(each) for each in _named(command)] == [None] * 4


def test_a_second_protected_access_is_never_overlooked() -> None:
    """The first access in clear, the second protected, under another counter."""
    service = next(each for each in READING_SERVICES if each.use_case == "ECS22b")
    clear = next(each for each in READING_SERVICES if each.use_case == "ECS22a")
    for _ in range(LEARNED + 1):
        one, two = (decode(_ask(each)[1]) for each in (clear, service))
        assert isinstance(one.payload, AccessRequest)
        assert isinstance(two.payload, AccessRequest)
        accesses = (*one.payload.accesses, *two.payload.accesses)
        both = replace(two, payload=replace(two.payload, accesses=accesses))
        assert len(read_requests_of(decode(encode(both))) or ()) == 2
        assert read_requests_of(decode(encode(replace(both, originator_counter=2)))) is None


# The machinery, on octets of our own


@dataclass(frozen=True, slots=True)
class Pair:
    first: int
    rest: bytes
    tail: tuple[bytes, ...] = ()


class Counted:
    """Reads a pair, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, octets: bytes) -> Pair:
        self.calls += 1
        if octets[0] != 0x2A:
            raise DecodeError("not a pair")
        return Pair(int.from_bytes(octets[1:5], "big"), octets[5:9], (b"", octets[5:]))


def _reader(read: Callable[[bytes], object]) -> Reader[object]:
    return Reader(read, lambda _: ((1, 5), (5, 9)))


def test_what_came_twice_is_read_by_template() -> None:
    count = Counted()
    read = _reader(count)
    for number in range(10):
        octets = b"\x2a" + number.to_bytes(4, "big") + b"abcd" + b"end"
        assert read(octets) == Pair(number, b"abcd", (b"", b"abcdend"))
    assert count.calls == 2 + 2  # twice with marks
    with templates.disabled():
        read(octets)
    assert count.calls == 5
    with pytest.raises(DecodeError, match="not a pair"):
        read(b"\x2b" + octets[1:])


def test_what_the_gaps_do_not_explain_is_not_learned() -> None:
    calls = []

    def digest(octets: bytes) -> object:
        calls.append(octets)
        return sha256(octets[1:5]).digest()

    read = _reader(digest)
    for number in range(40):
        gap = number.to_bytes(4, "big")
        assert read(b"\x2a" + gap + bytes(4)) == sha256(gap).digest()
    assert len(calls) == 40 + 2 * MAX_SHAPES  # it was tried a few times


def test_marks_that_are_refused_are_not_learned() -> None:
    def even(octets: bytes) -> object:
        if octets[1:4] != bytes(3):
            raise DecodeError("too big")
        return octets[4]

    read = _reader(even)
    assert [read(b"\x2a" + number.to_bytes(4, "big") + bytes(4)) for number in range(9)] == [
        *range(9)
    ]


def test_rows_of_various_lengths_are_no_gap() -> None:
    rows = CompactArray(bytes.fromhex("02010A"), b"\x03abc\x02de")
    octets = Data(DataType.COMPACT_ARRAY, rows).octets()
    for _ in range(LEARNED):
        assert Data.parse(octets) == Data(DataType.COMPACT_ARRAY, rows)
    with pytest.raises(DecodeError, match="octets end inside a row"):
        Data.parse(octets.replace(b"\x03abc", b"\x09abc"))


def _octets(length: int, number: int) -> bytes:
    return b"\x2a" + number.to_bytes(4, "big") + bytes(4 + length)


def test_templates_have_a_bound() -> None:
    read, written = _reader(Counted()), Writer(lambda _: ((1, 5),))
    for length in range(MAX_KEYS + 3 * TURNS):
        for number in range(LEARNED):
            octets = _octets(length, number)
            read(octets)
            written.learn(length, (octets[1:5],), lambda octets=octets: octets)  # type: ignore[misc]
            assert written.fill(length, (octets[1:5],)) in (octets, None)
    for store in (read._learned, written._learned):
        assert len(store.by_key) == MAX_KEYS
        assert len(store._attempts) <= MAX_KEYS


def test_there_is_room_again_for_what_comes_often() -> None:
    count = Counted()
    read = _reader(count)
    for length in range(MAX_KEYS):
        for number in range(LEARNED):
            read(_octets(length, number))
    for number in range(TURNS * (MAX_SHAPES + 1)):
        for length in range(MAX_KEYS, MAX_KEYS + MAX_SHAPES):
            read(_octets(length, number))
    before = count.calls
    assert read(_octets(MAX_KEYS, 77)) == Pair(77, bytes(4), (b"", bytes(4 + MAX_KEYS)))
    assert count.calls == before


def test_a_key_has_few_shapes() -> None:
    read = Reader(lambda octets: (octets[0], octets[1:5]), lambda _: ((1, 5),))
    for number in range(200):
        read(bytes((number % 20,)) + number.to_bytes(4, "big"))
    [shapes] = read._learned.by_key.values()
    assert len(shapes) <= MAX_SHAPES


def test_a_memo_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_CONCLUSIONS", 3)
    memo: Memo[int] = Memo()
    template = Template(b"abc", ((0, 1),))
    for number in range(5):
        memo.put(template, (bytes((number,)),), number)
    assert [memo.get(template, (bytes((number,)),)) for number in range(5)] == [
        *(None, None, 2, 3, 4)
    ]
    with templates.disabled():
        assert memo.get(template, (b"\x04",)) is None


def test_a_template_takes_only_gaps_of_its_lengths() -> None:
    template = Template(b"abcdef", ((1, 3), (4, 4)))
    assert template.gaps(b"aXYxef") is None
    assert template.gaps(b"aXYdef") == (b"XY", b"")
    assert template.gaps(b"aXYdefg") is None
    assert template.fill((b"12", b"")) == b"a12def"
    for gaps in ((b"1", b"2"), (b"12",), (b"12", b"", b""), ("12", ""), (b"12", None)):
        assert template.fill(gaps) is None  # type: ignore[arg-type]


def test_a_message_that_was_read_by_template_is_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(access._decode_request, access.request_spans)
    monkeypatch.setattr(access, "_READ_REQUEST", reader)
    service = next(each for each in READING_SERVICES if each.use_case == "ECS22b")
    octets = _ask(service)[1]
    found = [decode(octets) for _ in range(LEARNED)]
    payload = found[-1].payload
    assert isinstance(payload, AccessRequest)
    assert payload.filled is not None
    assert len(set(found)) == 1
    again = pickle.loads(pickle.dumps(found[-1]))
    assert (again, encode(again)) == (found[-1], octets)
    changed = replace(payload, invoke_id=5)
    assert changed.filled is None
    assert encode(replace(found[-1], payload=changed)) != octets


def test_reading_commands_are_written_by_template(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []

    def write(request: AccessRequest) -> bytes:
        writes.append(request)
        return access.encode_apdu(request)

    monkeypatch.setattr(read_request, "_WRITE", Writer(access.request_spans))
    monkeypatch.setattr(read_request, "encode_apdu", write)
    service = next(each for each in READING_SERVICES if each.use_case == "ECS22b")
    for counter in range(5):
        _ask(service, counter=counter)
    assert len(writes) == 1


# Marks


@pytest.mark.parametrize("width", [1, 2])
def test_short_gaps_are_not_confused(width: int) -> None:
    """Among many short gaps, some have equal marks, and some have the mark of another."""
    column = {1: DataType.UNSIGNED, 2: DataType.LONG_UNSIGNED}[width]
    marks = [
        [shake_128(b"%d %d" % (turn, at)).digest(width) for at in range(500)] for turn in range(2)
    ]
    # Where the marks are equal, the octets are too. So the template would fit what it learns from.
    ordinary = [one if one == two else bytes(width) for one, two in zip(*marks, strict=True)]

    def octets(rows: list[bytes]) -> bytes:
        items = [Data(DataType.COMPACT_ARRAY, CompactArray(bytes((column,)), row)) for row in rows]
        return Data(DataType.ARRAY, tuple(items)).octets()

    for _ in range(LEARNED):
        Data.parse(octets(ordinary))
    for place in range(500):
        changed = octets([*ordinary[:place], b"\x07" * width, *ordinary[place + 1 :]])
        assert Data.parse(changed).octets() == changed


def test_threads_may_share_a_memo() -> None:
    memo: Memo[int] = Memo()
    template = Template(b"abcd", ((0, 4),))

    def fill(thread: int) -> None:
        for number in range(8 * MAX_CONCLUSIONS):
            memo.put(template, (b"%d %d" % (thread, number),), number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change within a statement
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(fill, range(4)))
    finally:
        sys.setswitchinterval(interval)
