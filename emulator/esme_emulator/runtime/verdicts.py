"""The words and forms in which all reports give a verdict and its thresholds.

CI (continuous integration) servers read the JUnit XML and the Markdown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal, Protocol
from xml.etree import ElementTree as ET

NOT_MEASURED = "not measured"


class Concluded(Protocol):
    """A result with thresholds."""

    @property
    def complete(self) -> bool:
        """Whether everything was measured."""
        ...

    @property
    def passed(self) -> bool:
        """Whether all thresholds are met."""
        ...


class Judged(Protocol):
    """A threshold with the value of its figure."""

    @property
    def met(self) -> bool | None:
        """Whether it is met; None if its figure was not measured."""
        ...


def verdict(result: Concluded) -> str:
    """Return `PASSED`, `FAILED` or `PARTIAL`."""
    if not result.complete:
        return "PARTIAL"
    return "PASSED" if result.passed else "FAILED"


def met(item: Judged) -> str:
    """Return whether a threshold is met, in words."""
    return NOT_MEASURED if item.met is None else "met" if item.met else "not met"


def marked(item: Judged) -> str:
    """Return whether a threshold is met, in Markdown: bold unless it is."""
    return met(item) if item.met else f"**{met(item)}**"


def cell(text: str) -> str:
    """Escape a text so that it stays within its cell of a Markdown table."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


@dataclass(frozen=True, slots=True)
class Case:
    """A test case; it passed unless `outcome` says otherwise."""

    name: str
    outcome: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    text: str = ""


def case_of(item: Judged, must: str, figure: str, value: str, text: str = "") -> Case:
    """Return the test case of the threshold `must`, whose `figure` has `value`.

    A failure has the details `text`.
    """
    if item.met is None:
        return Case(must, "skipped", f"{figure} was not measured")
    return Case(must) if item.met else Case(must, "failure", f"{figure} is {value}", text)


def junit_xml(suite: str, group: str, cases: Iterable[Case]) -> str:
    """Return one test suite; `group` is the class name of its cases."""
    root = ET.Element("testsuite", name=suite)
    for case in cases:
        element = ET.SubElement(root, "testcase", classname=group, name=case.name)
        if case.outcome:
            ET.SubElement(element, case.outcome, message=case.message).text = case.text or None
    root.set("tests", str(len(root)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        root.set(count, str(len(root.findall(f"testcase/{tag}"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
