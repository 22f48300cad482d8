"""The page, the summary and the JUnit XML of a load."""

import re
from array import array
from dataclasses import replace
from xml.etree import ElementTree as ET

from esme_emulator.load.in_flight import Batch, Origin, Outcome
from esme_emulator.load.plan import Arrivals, Plan
from esme_emulator.load.report import junit, markdown, page
from esme_emulator.load.result import LoadResult, make_result
from esme_emulator.load.tally import Tally
from esme_emulator.load.thresholds import parse_threshold
from esme_emulator.scenario.scenario import Mix

THRESHOLDS = ("p95 <= 500ms", "failed <= 1%", "rate >= 1000")


def result(ended: str | None = None) -> LoadResult:
    """97 answers of 10 ms and one of 2 s, one refusal and one request without a reply."""
    batch = Batch(arrived=98)
    batch.counts.update(
        {
            ("distributor", "4.8.1", outcome): number
            for outcome, number in (
                (Outcome.SENT, 100),
                (Outcome.ANSWERED, 98),
                (Outcome.REFUSED, 1),
                (Outcome.NO_REPLY, 1),
            )
        }
    )
    batch.latencies["distributor", "4.8.1", Origin.HIT] = array("d", [0.01] * 97)
    batch.latencies["distributor", "4.8.1", Origin.MISS] = array("d", [2.0])
    tally = Tally()
    tally.add(batch)
    plan = Plan(Arrivals.CONSTANT, (Mix(1, "distributor", "4.8.1"),), "1", 5, rate=10.0)
    judged = tuple(map(parse_threshold, THRESHOLDS))
    return make_result(
        "a<b", plan, tally, ended=ended, elapsed=10.0, shared=False, thresholds=judged
    )


def words(html: str) -> str:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S)
    return " ".join(text.split())


def test_the_date_of_the_run_and_the_names_of_srvs() -> None:
    made = "2026-02-03 04:05 UTC"
    assert f"run on {made}" in words(page(result(), made=made))
    assert f"\n\nRun on {made}.\n\n" in markdown(result(), made=made)
    for form in (page(result()), markdown(result())):
        assert "4.8.1 Read Active Import Profile Data" in form
        assert "run on" not in form.lower()


def test_the_page_says_what_was_asked_found_and_required() -> None:
    html = page(result())
    text = words(html)
    for said in (
        "FAILED a&lt;b, via cache: constant 10/s, 10 s",
        "Of 100 requests 98 were answered and 2 failed; half of the answers came within 10.0 ms",
        "p95 &lt;= 500ms 10.0 ms met",
        "failed &lt;= 1% 2 % not met",
        "rate &gt;= 1000 9.8/s not met",
        "from the meter 1 2.00 s",
        "refused 1, invalid 0, no reply 1, not sent 0",
    ):
        assert said in text, said
    assert "--ink:" in html  # the style of all reports
    assert not re.search(r"(src|href)=", html)


def test_the_summary_has_the_same_figures() -> None:
    lines = markdown(result()).splitlines()
    assert lines[0] == "## FAILED: a&lt;b, via cache: constant 10/s, 10 s"
    assert "| p95 &lt;= 500ms | 10.0 ms | met |" in lines
    assert "| failed &lt;= 1% | 2 % | **not met** |" in lines
    assert "| all | 100 | 2 | 10.0 ms | 10.0 ms | 10.0 ms | 2.00 s | 2.00 s |" in lines


def test_junit_has_a_case_for_each_threshold() -> None:
    suite = ET.fromstring(junit(result()))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    assert [case.get("name") for case in suite] == ["ran to the end", *THRESHOLDS]
    messages = [found.get("message") for found in suite.iterfind("testcase/failure")]
    assert messages == ["failed is 2 %", "rate is 9.8/s"]


def test_a_partial_load_is_an_error_without_verdicts() -> None:
    made = result("interrupted")
    suite = ET.fromstring(junit(made))
    assert (suite.get("errors"), suite.get("skipped"), suite.get("failures")) == ("1", "3", "0")
    assert "The load is partial: interrupted." in words(page(made))
    assert markdown(made).startswith("## PARTIAL: ")
    assert "**not measured**" in markdown(made)


def test_a_load_without_answers_fails() -> None:
    made = result()
    none = replace(made, requests=replace(made.requests, answered=0), thresholds=())
    [case] = ET.fromstring(junit(none))
    assert case.find("failure") is not None
    assert markdown(none).startswith("## FAILED: ")
