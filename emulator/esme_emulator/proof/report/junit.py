"""The verdict of a proof as JUnit XML: a test case for each threshold."""

from xml.etree import ElementTree as ET

from esme_emulator.proof.report.page import NOT_MEASURED, partial
from esme_emulator.proof.result import ProofResult


def junit(result: ProofResult) -> str:
    """Return the XML of a result, as CI servers read it.

    Of a proof that did not run to its end, that is the error, and its thresholds are skipped.
    """
    suite = ET.Element("testsuite", name=f"esme prove {result.scenario}")
    case = ET.SubElement(suite, "testcase", classname=result.scenario, name="measured to the end")
    if not result.complete:
        ET.SubElement(case, "error", message=partial(result))
    elif not result.replies_compared:
        ET.SubElement(case, "failure", message="nothing was measured")
    for name, item in result.thresholds.items():
        must = f"{name} {item.comparison} {item.limit:.12g}"
        case = ET.SubElement(suite, "testcase", classname=result.scenario, name=must)
        if item.met is None:
            ET.SubElement(case, "skipped", message=f"{name} was not measured")
        elif not item.met:
            value = NOT_MEASURED if item.value is None else f"{item.value:.12g}"
            failure = ET.SubElement(case, "failure", message=f"{name} is {value}")
            failure.text = "\n".join(result.ledger_lines)
    outcomes = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    suite.set("tests", str(len(suite)))
    for count, tag in outcomes:
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
