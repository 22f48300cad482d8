"""The verdict of a proof as JUnit XML: a test case for each threshold."""

from xml.etree import ElementTree as ET

from emulator.proof.result import ProofResult


def junit(result: ProofResult) -> str:
    """Return the XML of a result, as CI servers read it."""
    failed = [name for name, item in result.thresholds.items() if not item.met]
    measured = result.complete and result.replies_compared > 0
    suite = ET.Element(
        "testsuite",
        name=f"esme prove {result.scenario}",
        tests=str(len(result.thresholds) + 1),
        failures=str(len(failed) + (not measured)),
        errors="0",
        skipped="0",
    )
    case = ET.SubElement(suite, "testcase", classname=result.scenario, name="measured to the end")
    if not measured:
        reason = "nothing was measured" if result.complete else "interrupted"
        ET.SubElement(case, "failure", message=reason)
    for name, item in result.thresholds.items():
        must = f"{name} {item.comparison} {item.limit:g}"
        case = ET.SubElement(suite, "testcase", classname=result.scenario, name=must)
        if not item.met:
            value = "not measured" if item.value is None else f"{item.value:g}"
            failure = ET.SubElement(case, "failure", message=f"{name} is {value}")
            failure.text = "\n".join(result.ledger_lines)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
