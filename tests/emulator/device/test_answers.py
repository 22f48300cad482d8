"""Answers of a meter to every reading service, and to other commands."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.device.meter import MOST_ATTRIBUTES, NORMAL, Answer, Behaviour, Outcome, answer
from esme_emulator.estate.keys import make_certificate
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from esme_emulator.profiles import HalfHours, LoadProfile, MeterProfile, Sun, meter_profile
from gbcs import Command, Response, Status, Supplementary, decode, encode
from gbcs.dlms.access import Access, AccessRequest, AccessResponse, Choice
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import NULL, double_long_unsigned
from gbcs.instants import DAY, EPOCH_UNIX, from_date_time, parse_iso, to_date_time
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS
from gbcs.tables.reading_services import READING_SERVICES, ReadingService
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.read_request import Window, reading_command
from gbcs.usecases.responding import invoke_id
from gbcs.usecases.values import Reading, values_of
from tests.emulator.device.meters import TWIN_BLOCKS
from tests.support.estate import KEYS, METER, SEED

NOW = parse_iso("2026-01-15T12:34:56Z")
OWN_COUNTER = 987_654_321
PARTIES = ("known", "behind the ACB")
TESTED = ("single", "twin", "polyphase", "single-blocks", "single-prepayment", "smets1")
KINDS = {profile.name: profile for profile in (*map(meter_profile, TESTED), TWIN_BLOCKS)}
EVENTS = 900 * DAY
"""A window with all yearly events."""


@dataclass(frozen=True)
class Case:
    """A service, the role of its requester and a kind of meter."""

    service: ReadingService
    party: str
    kind: str

    def __str__(self) -> str:
        return f"{self.service.srv} {self.service.use_case}, {self.kind}, {self.party}"

    @property
    def is_there(self) -> bool:
        """Whether that kind of meter has all attributes of the service."""
        variant = KINDS[self.kind].variant
        if self.service.use_case == "ECS23":
            return True
        return variant in self.service.meters

    def command(self, window: Window | None = None, counter: int = 77) -> Command:
        behind = self.party != PARTIES[0]
        supplementary = None
        if behind:
            certificate = make_certificate(OTHER_USER, KEYS) if self.service.protected else b""
            supplementary = Supplementary(OTHER_USER, 33, certificate=certificate)
        wanted = window or Window(NOW - (EVENTS if self.service.srv[:3] == "4.4" else 3 * DAY), NOW)
        return reading_command(
            self.service,
            device=METER,
            originator=KEYS.access_control_broker if behind else SUPPLIER,
            counter=counter,
            window=wanted if self.service.windowed else None,
            supplementary=supplementary,
        )

    def said(
        self,
        behaviour: Behaviour = NORMAL,
        now: float = NOW + EPOCH_UNIX,
        window: Window | None = None,
    ) -> Answer:
        return answer(
            SEED,
            self.command(window),
            KEYS,
            now,
            lambda: OWN_COUNTER,
            behaviour,
            (KINDS[self.kind],),
        )


def cases() -> Iterator[Case]:
    for service in READING_SERVICES:
        for party in PARTIES:
            for kind in KINDS:
                yield Case(service, party, kind)


every_case = pytest.mark.parametrize("case", list(cases()), ids=str)
any_case = st.sampled_from(list(cases()))


def opened(said: Answer) -> Response:
    assert said.octets is not None
    response = decode(said.octets, KEYS)
    assert isinstance(response, Response)
    return response


def readings(said: Answer) -> tuple[Reading, ...]:
    return values_of(opened(said))


def codes(said: Answer) -> list[int]:
    payload = opened(said).payload
    assert isinstance(payload, AccessResponse)
    return [result.code for result in payload.results]


@every_case
def test_an_answer_verifies_and_is_addressed_to_the_requester(case: Case) -> None:
    said, asked = case.said(), case.command()
    response = opened(said)
    assert response.mac_status is Status.VALID
    assert response.signature == b""
    assert (response.originator, response.recipient) == (asked.recipient, asked.originator)
    assert response.originator_counter == asked.originator_counter
    assert response.message_code == case.service.message_code
    assert all(item.status is Status.VALID for item in response.protected)
    if case.party == PARTIES[0]:
        assert response.supplementary is None
    else:
        assert response.supplementary is not None
        own = OWN_COUNTER if case.service.protected else None
        assert response.supplementary == Supplementary(OTHER_USER, 33, own)
    assert encode(response, KEYS) == said.octets


@every_case
def test_responses_carry_the_time_if_the_service_requires_it(case: Case) -> None:
    for behaviour in (NORMAL, Behaviour(refusal=1)):
        time = opened(case.said(behaviour)).transaction_time
        assert time == (to_date_time(NOW) if case.service.carries_time else b"")


@every_case
def test_every_service_of_this_kind_of_meter_is_answered(case: Case) -> None:
    said = case.said()
    if case.is_there:
        assert said.outcome is Outcome.ANSWERED
        assert set(codes(said)) == {ResultCode.SUCCESS}
        for reading in readings(said):
            if reading.rows is not None:
                log = BY_OBIS[reading.attribute.obis]
                assert len(reading.rows) <= log.depth
                assert all(row["time"] <= NOW for row in reading.rows)
            else:
                assert reading.data is not None
                assert reading.fields is None or len(reading.fields) > 0
    else:
        assert said.outcome is Outcome.REFUSED
        found = codes(said)
        first = found.index(ResultCode.OBJECT_UNDEFINED)
        assert set(found[:first]) <= {ResultCode.SUCCESS}
        assert set(found[first + 1 :]) <= {ResultCode.OTHER_REASON}


@pytest.mark.parametrize(
    ("srv", "kind", "successes"),
    [
        ("4.11.2", "single", 0),
        ("4.11.2", "polyphase", 0),
        ("4.10", "single", 6),
        ("4.10", "twin", 6),
    ],
)
def test_a_missing_attribute_stops_the_execution(srv: str, kind: str, successes: int) -> None:
    [*_, service] = [service for service in READING_SERVICES if service.srv == srv]
    found = codes(Case(service, PARTIES[0], kind).said())
    rest = len(service.accesses) - successes - 1
    assert found == [0] * successes + [ResultCode.OBJECT_UNDEFINED] + [250] * rest


@given(any_case, st.sampled_from([1, 2, 3, 250]))
def test_a_refusal_fails_the_first_access_and_stops_the_execution(case: Case, code: int) -> None:
    said = case.said(Behaviour(refusal=code))
    assert said.outcome is Outcome.REFUSED
    assert codes(said) == [code] + [ResultCode.OTHER_REASON] * (len(case.service.accesses) - 1)
    assert not opened(said).protected
    supplementary = opened(said).supplementary
    assert supplementary is None or supplementary.originator_counter is None


def test_an_own_counter_is_taken_only_for_encrypted_replies_behind_the_acb() -> None:
    for case in cases():
        taken: list[int] = []

        def own_counter(taken: list[int] = taken) -> int:
            taken.append(1)
            return OWN_COUNTER

        for behaviour in (NORMAL, Behaviour(refusal=4)):
            answer(
                SEED,
                case.command(),
                KEYS,
                NOW + EPOCH_UNIX,
                own_counter,
                behaviour,
                (KINDS[case.kind],),
            )
        assert len(taken) == (case.party != PARTIES[0] and case.service.protected), str(case)


@given(any_case, st.integers(-400 * DAY, 400 * DAY))
def test_drift_gives_the_answer_of_another_time(case: Case, drift: int) -> None:
    window = Window(NOW - 800 * DAY, NOW - 797 * DAY)
    drifted = case.said(Behaviour(drift=drift + 0.25), window=window)
    assert drifted == case.said(now=NOW + EPOCH_UNIX + drift + 0.25, window=window)
    if case.service.carries_time:
        assert from_date_time(opened(drifted).transaction_time) == NOW + drift


@every_case
def test_missing_entries_are_left_out(case: Case) -> None:
    def has_entry(time: int) -> bool:
        return time // 3600 % 2 == 0

    for whole, some, none in zip(
        readings(case.said()),
        readings(case.said(Behaviour(has_entry=has_entry))),
        readings(case.said(Behaviour(has_entry=lambda time: False))),
        strict=True,
    ):
        if whole.rows is None or some.rows is None:
            assert whole == some == none
            continue
        assert none.rows == []
        assert some.rows == [row for row in whole.rows if has_entry(row["time"])]
        assert none.data is not None
        assert isinstance(none.data.value, CompactArray)


@given(any_case, st.integers(0, 2**32 - 1))
def test_a_meter_answers_at_any_time(case: Case, now: int) -> None:
    window = Window(max(now - 3 * DAY, 0), min(now + DAY, 2**32 - 1))
    said = case.said(now=float(now + EPOCH_UNIX), window=window)
    assert said.outcome is (Outcome.ANSWERED if case.is_there else Outcome.REFUSED)


@pytest.mark.parametrize("now", [0.0, -1e12, 1e12])
def test_a_clock_beyond_the_encodable_range_is_clamped(now: float) -> None:
    for case in cases():
        assert case.said(now=now).outcome in (Outcome.ANSWERED, Outcome.REFUSED)


@given(any_case)
def test_equal_commands_at_the_same_time_have_equal_answers(case: Case) -> None:
    assert case.said() == case.said()


FROZEN = "55680fbc0ba9bc1b45445080e6703ea5ec1572c6bc91c5e05ca771f341073c3d"
"""SHA-256 of the answers to every service by the meters of `flat_profiles`."""


def flat_profiles() -> Iterator[MeterProfile]:
    """Return profiles of this test alone, so that shipped ones may change."""
    day, night = (1.0,) * 48, (3.0,) * 14 + (1.0,) * 34
    load = LoadProfile(
        "flat", "Flat", 3000.0, 2.0, 0.3, 0.2, HalfHours(night, night, day, day), 1.0, {}
    )
    sun = LoadProfile("sun", "Sun", 900.0, 1.5, 0.3, 0.5, Sun(52.0, -1.0, 0.1), 1.0, {})
    for variant, payment, tariff, thresholds, secondary in (
        ("twin", "prepayment", "economy-7", (), load),
        ("single", "credit", "blocks", (1_000_000, 2_000_000), None),
        ("polyphase", "prepayment", "one-rate", (), None),
    ):
        yield MeterProfile(
            variant,
            variant,
            1,
            "SMETS2",
            variant,
            payment,
            tariff,
            thresholds,
            "cellular",
            load,
            secondary,
            sun,
            {},
        )


def test_answers_equal_the_recorded_ones() -> None:
    digest = sha256()
    for profile in flat_profiles():
        for case in cases():
            if case.kind != TESTED[0]:
                continue
            said = answer(
                SEED,
                case.command(),
                KEYS,
                NOW + EPOCH_UNIX,
                lambda: OWN_COUNTER,
                profiles=(profile,),
            )
            digest.update(said.octets or b"")
    assert digest.hexdigest() == FROZEN


def test_other_commands_are_refused_as_undefined() -> None:
    access = Access(Choice.SET, 1, parse_dotted("0.0.94.44.3.1"), 2, double_long_unsigned(1))
    for code, accesses in ((0x0023, (access,)), (0x0028, (access, access)), (0x0028, ())):
        command = Command(
            originator=SUPPLIER,
            recipient=METER,
            originator_counter=5,
            message_code=code,
            payload=AccessRequest(invoke_id(5), accesses),
        )
        said = answer(SEED, command, KEYS, NOW + EPOCH_UNIX, lambda: 0)
        assert said.outcome is Outcome.REFUSED
        assert codes(said) == [4, 250][: len(accesses)]


def test_a_command_that_reads_more_than_any_use_case_is_refused() -> None:
    access = Access(Choice.GET, 112, parse_dotted("0.0.19.10.0.255"), 2, NULL)
    for number, code in ((MOST_ATTRIBUTES, 0), (MOST_ATTRIBUTES + 1, ResultCode.OBJECT_UNDEFINED)):
        command = Case(READING_SERVICES[-1], PARTIES[0], "single").command()
        payload = AccessRequest(invoke_id(77), (access,) * number)
        said = answer(SEED, replace(command, payload=payload), KEYS, NOW + EPOCH_UNIX, lambda: 0)
        assert codes(said)[0] == code
        assert len(codes(said)) == number


def test_a_meter_is_one_of_the_given_profiles() -> None:
    command = Case(READING_SERVICES[0], PARTIES[0], "twin").command()
    said = {
        kind: answer(
            SEED, command, KEYS, NOW + EPOCH_UNIX, lambda: 0, profiles=(meter_profile(kind),)
        )
        for kind in ("single", "twin")
    }
    assert said["single"] != said["twin"]
    assert len(readings(said["twin"])[0].fields or ()) == 5
    assert len(readings(said["single"])[0].fields or ()) == 4
    shipped = answer(SEED, command, KEYS, NOW + EPOCH_UNIX, lambda: 0)
    assert shipped.outcome is Outcome.ANSWERED
