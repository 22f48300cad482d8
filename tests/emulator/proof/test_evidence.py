"""The evidence has a line for each request of both runs, and its lines add up to the figures."""

from collections import Counter

import pytest

from esme_emulator.proof.evidence import Line
from tests.emulator.proof.proving import few, lines_of, proved, small

IDENTITY = ("request", "planned", "at", "device", "originator", "counter", "srv", "start", "end")


def words(lines: list[Line], column: str) -> Counter[str]:
    return Counter(word for line in lines for word in getattr(line, column).split())


@pytest.mark.parametrize("name", ["retry-storm", "change-of-supplier", "settlement-morning"])
async def test_lines_add_up_to_the_figures(name: str) -> None:
    proof = await proved(small(name))
    result, lines = proof.result, lines_of(proof.evidence)
    direct = [line for line in lines if line.run == "direct"]
    cached = [line for line in lines if line.run == "cached"]
    assert len(lines) == len(direct) + len(cached)
    assert [line.request for line in direct] == list(range(1, result.planned + 1))
    for one, other in zip(direct, cached, strict=True):
        assert [getattr(one, name) for name in IDENTITY] == [
            getattr(other, name) for name in IDENTITY
        ]
    decisions = ("hits", "collapsed", "forwarded", "refused", "failed")
    assert {name: words(cached, "decision")[name] for name in decisions} == {
        name: getattr(result, name) for name in decisions
    }
    assert sum(line.attempts for line in cached) == result.requests
    for run, hits in ((direct, result.device_hits_direct), (cached, result.device_hits_cached)):
        assert sum(line.received for line in run) == words(run, "outcome").total() == hits
    checks = Counter(line.check for line in lines)
    assert checks["same"] == result.replies_compared - result.replies_different
    assert checks["different"] == result.replies_different == 0
    assert all((line.latency_ms is None) is (line.reply == "none") for line in lines)
    unanswered = [line for line in lines if line.reply != "accepted"]
    refused = {line.request: line.reason for line in direct if line.decision == "refused"}
    assert len([line for line in unanswered if line.request not in refused]) == result.unanswered
    assert refused == {line.request: line.reason for line in cached if line.decision == "refused"}
    assert bool(refused) is (name == "change-of-supplier")
    assert all(refused.values())


async def test_all_attempts_are_on_the_line_of_their_request() -> None:
    proof = await proved(few('[[fault]]\nkind = "no-reply"\ncalls = "1"\n'))
    lines = lines_of(proof.evidence)
    again = [line for line in lines if line.run == "direct" and line.attempts == 2]
    assert again
    assert {(line.received, line.decision) for line in again} == {(2, "direct")}
    assert {line.outcome for line in again} == {"silent answered"}
    insisted = [line for line in lines if line.run == "cached" and line.attempts == 2]
    assert insisted
    assert all(len(line.decision.split()) == 2 for line in insisted)
