"""The gates as JUnit XML, the form every CI system shows: one test case per gate.

A rule that is broken is a failure, numbers that cannot be compared are an error, and what these examples cannot tell
is skipped. Advisory rules decide nothing, so a broken one is skipped too. Exit codes stay the decision's own: an
inconclusive experiment has no failure here and still does not deploy.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from reports.data import ReportData, Row
from reports.format.text import clean, shorten

LONGEST = 2000  # characters of one text
MEASURED = ("baseline", "candidate", "difference", "low", "high", "p_value", "margin", "n")


def write(data: ReportData, path: Path) -> None:
    """Write the gates to `path`; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(data), encoding="utf-8")


def render(data: ReportData) -> str:
    """The gates of a decision as one test suite, with every compared number as a property."""
    suite = ET.Element("testsuite", name=_text(data.decision["name"]))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(data):
        ET.SubElement(properties, "property", name=_text(name), value=_text(value))
    for gate in data.gates:
        _case(suite, gate)
    totals = {
        "tests": str(len(data.gates)),
        **{f"{kind}s": str(len(suite.findall(f"testcase/{kind}"))) for kind in ("failure", "error")},
        "skipped": str(len(suite.findall("testcase/skipped"))),
        "time": f"{sum(stage['seconds'] for stage in data.stages):.3f}",
    }
    suite.attrib.update(totals)
    root = ET.Element("testsuites", totals)
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: ET.Element, gate: Row) -> None:
    case = ET.SubElement(suite, "testcase", classname=gate["kind"], name=_text(gate["name"]), time="0")
    message = _text(f"{gate['measured']} (rule: {gate['rule']})")
    if gate["status"] == "unknown" or (gate["status"] == "fail" and gate["tier"] == "advisory"):
        told = "open" if gate["status"] == "unknown" else "broken, but advisory"
        ET.SubElement(case, "skipped", message=f"{told}: {message}")
    elif gate["status"] == "fail":
        kind = "error" if gate["kind"] == "validity" else "failure"
        ET.SubElement(case, kind, message=message, type=gate["kind"]).text = message
    else:
        ET.SubElement(case, "system-out").text = message


def _properties(data: ReportData) -> Iterator[tuple[str, str]]:
    decision = data.decision
    for key in ("experiment_id", "verdict", "exit_code", "headline", "reason"):
        yield key, str(decision[key])
    for c in data.comparisons:
        name = "/".join(part for part in (c["kind"], c["suite"], c["metric"], c["slice"]) if part)
        for key in MEASURED:
            if c[key] is not None:
                yield f"{name}: {key}", str(c[key])


def _text(text: str) -> str:
    """Text XML 1.0 can hold, of a bounded size; ElementTree escapes the rest."""
    return clean(shorten(text, LONGEST))
