"""Every reply is published as an event, with the status that MQTT 5 and the journal show."""

import pytest

from esme_emulator.cache.policy.effects import CacheStatus
from esme_emulator.cache.policy.ledger import Replied
from gbcs import EUI
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.bench import RETENTION, Bench
from tests.support.estate import METER, MIDNIGHT, NOW, UNIX_NOW, YESTERDAY, party


def told_of(bench: Bench) -> list[Replied]:
    """Return a list of all replies published from now on."""
    told: list[Replied] = []
    bench.policy.events.subscribe(Replied, told.append)
    return told


def eui_of(role: Role) -> EUI:
    return party(role).eui


def test_every_reply_is_published_with_its_request_and_status() -> None:
    bench = Bench()
    told = told_of(bench)
    bench.ask("4.8.1", Role.IS, 1)
    bench.ask("4.8.1", Role.OU, 2)
    assert told == [], "nothing is known before there is a reply"
    bench.deliver()
    bench.now += 90
    bench.ask("4.8.1", Role.ED, 3)
    assert [(one.party, one.counter, one.status, one.age) for one in told] == [
        (eui_of(Role.IS), 1, CacheStatus("miss", stored=True), None),
        (eui_of(Role.OU), 2, CacheStatus("miss", collapsed=True, stored=True), None),
        (eui_of(Role.ED), 3, CacheStatus(ttl=int(RETENTION) - 90), 90),
    ]
    assert {(one.device, one.srv, one.window) for one in told} == {(METER, "4.8.1", YESTERDAY)}
    assert [str(one.status) for one in told] == [reply.status for reply in bench.replies]
    assert [one.time - UNIX_NOW for one in told] == [0, 0, 90]


@pytest.mark.parametrize(
    ("srv", "window", "said"),
    [
        ("4.8.1", Window(MIDNIGHT, NOW + 1), CacheStatus("miss", detail="open-window")),
        ("4.8.2", YESTERDAY, CacheStatus("bypass")),
    ],
)
def test_a_published_reply_says_why_readings_were_not_stored(
    srv: str, window: Window, said: object
) -> None:
    bench = Bench()
    told = told_of(bench)
    bench.ask(srv, window=window)
    bench.deliver()
    assert [one.status for one in told] == [said]


def test_a_reply_that_is_withheld_or_never_comes_is_not_published() -> None:
    bench = Bench()
    told = told_of(bench)
    bench.ask("4.8.1")
    bench.expire()
    bench.deliver()
    assert told == []


def test_a_reply_as_a_line_of_json() -> None:
    replied = Replied(
        UNIX_NOW, METER, "4.8.1", eui_of(Role.IS), 7, YESTERDAY, CacheStatus(ttl=80, detail="x"), 9
    )
    line = replied.as_dict()
    assert (line["device"], line["counter"], line["party"]) == (str(METER), 7, str(eui_of(Role.IS)))
    names = ("reply", "hit", "fwd", "collapsed", "stored", "detail", "age", "ttl")
    assert [line[name] for name in names] == [
        *("s1sp; hit; ttl=80; detail=x", True, None),
        *(False, False, "x", 9, 80),
    ]
    assert "decision" not in line
