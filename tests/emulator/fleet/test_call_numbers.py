"""Call numbers count from 1 by meter and SRV, independently of the counters shown."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.faults.engine import Faults
from esme_emulator.faults.loading import parse_rules
from esme_emulator.fleet.counters import CallNumbers, Counters, Stage
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.profiles.latency import Uniform
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, SEED, UNIX_NOW, command

SRVS = tuple(f"4.{number}" for number in range(20))
FIRST_CALL = """
[[fault]]
kind = "no-reply"
srvs = "4.8.1"
calls = "1"
"""


@given(st.lists(st.tuples(st.sampled_from((0, 1, 2**64 - 1)), st.sampled_from(SRVS))))
def test_each_meter_and_srv_has_its_own_numbers(calls: list[tuple[int, str]]) -> None:
    numbers, told = CallNumbers(), Counter[tuple[int, str]]()
    for call in calls:
        told[call] += 1
        assert numbers.next(*call) == told[call]


def test_many_calls_of_one_srv_do_not_overflow_into_another() -> None:
    numbers = CallNumbers()
    assert [numbers.next(7, "4.3") for _ in range(3)] == [1, 2, 3]
    for number in range(1, 70_000):
        assert numbers.next(7, "4.8.1") == number
    assert numbers.next(7, "4.3") == 4
    assert numbers.next(8, "4.8.1") == 1


def run(*, reset: bool = False, merge: bool = False) -> list[tuple[str, list[float]]]:
    """Return the outcomes of six commands, and when their replies are due."""
    faults = Faults(SEED, parse_rules(FIRST_CALL))
    fleet = Fleet(ESTATE.meters, KEYS, SEED, Uniform(0.0, 9.0), faults=faults)
    came = []
    for number in range(1, 7):
        octets = command("4.8.1", counter=number)[1]
        receipt = fleet.receive(METER, octets, UNIX_NOW + 100 * number)
        came.append((str(receipt.outcome), [reply.due for reply in receipt.replies]))
        if reset:
            fleet.counters.reset()
        if merge:
            others = Counters()
            others.count(Stage.RECEIVED, METER, "4.8.1", "answered", 5)
            fleet.counters.merge(others)
    return came


def test_meters_behave_the_same_whether_counters_are_reset_or_merged() -> None:
    plain = run()
    assert [outcome for outcome, _ in plain] == ["silent", *["answered"] * 5]
    assert run(reset=True) == plain
    assert run(merge=True) == plain


def test_discarded_commands_have_call_numbers() -> None:
    faults = Faults(SEED, parse_rules(FIRST_CALL))
    fleet = Fleet(ESTATE.meters, KEYS, SEED, Uniform(0.0, 9.0), faults=faults)
    octets = command("4.8.1")[1]
    outcomes = [
        str(fleet.receive(device, said, UNIX_NOW).outcome)
        for device, said in (
            (METER, octets[:-1] + bytes((octets[-1] ^ 1,))),
            (METER, octets),
            (OTHER_METER, command("4.8.1", device=OTHER_METER)[1]),
        )
    ]
    assert outcomes == ["mac-invalid", "answered", "silent"]
