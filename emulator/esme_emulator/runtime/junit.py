"""JUnit XML, as CI (continuous integration) servers read it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET


@dataclass(frozen=True, slots=True)
class Case:
    """A test case; it passed unless `outcome` says otherwise."""

    name: str
    outcome: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    text: str = ""


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
