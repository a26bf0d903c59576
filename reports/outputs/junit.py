"""The gates as JUnit XML, the form every CI system shows: one test case per gate.

A rule that is broken is a failure, numbers that cannot be compared are an error, and what these examples cannot tell
is skipped. Advisory rules decide nothing, so a broken one is skipped too, as is what to mind beside the verdict. Exit
codes stay the decision's own: an inconclusive experiment has no failure here and still does not deploy.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from reports.data import ReportData
from reports.format.text import clean, shorten
from reports.rows import ComparisonRow, GateRow
from reports.sections.verdict import minds
from suites.writing import write_whole

LONGEST = 2000  # characters of one text


def write(data: ReportData, path: Path) -> None:
    """Write the gates to `path`; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, render(data))


def render(data: ReportData) -> str:
    """The gates of a decision as one test suite; every number is a property, of its gate or of the suite."""
    suite = ET.Element("testsuite", name=_text(data.decision.name))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(data):
        ET.SubElement(properties, "property", name=_text(name), value=_text(value))
    for gate in data.gates:
        _case(suite, gate)
    totals = {
        "tests": str(len(data.gates)),
        **{f"{kind}s": str(len(suite.findall(f"testcase/{kind}"))) for kind in ("failure", "error")},
        "skipped": str(len(suite.findall("testcase/skipped"))),
        "time": f"{sum(stage.seconds for stage in data.stages):.3f}",
    }
    suite.attrib.update(totals)
    root = ET.Element("testsuites", totals)
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: ET.Element, gate: GateRow) -> None:
    case = ET.SubElement(suite, "testcase", classname=gate.kind, name=_text(gate.name), time="0")
    properties = ET.SubElement(case, "properties")
    for name, value in _gate_numbers(gate).items():
        if value not in (None, ""):
            ET.SubElement(properties, "property", name=name, value=_text(str(value)))
    message = _text(f"{gate.measured} (rule: {gate.rule})")
    if gate.status == "unknown" or (gate.status == "fail" and gate.tier == "advisory"):
        told = "mind" if gate.kind == "caution" else "broken, but advisory"
        state = "open" if gate.status == "unknown" else told
        ET.SubElement(case, "skipped", message=f"{state}: {message}")
    elif gate.status == "fail":
        kind = "error" if gate.kind == "validity" else "failure"
        ET.SubElement(case, kind, message=message, type=gate.kind).text = message
    else:
        ET.SubElement(case, "system-out").text = message


def _gate_numbers(gate: GateRow) -> dict[str, float | str | None]:
    """What a rule asks and what was measured, as values in the rule's unit."""
    return {
        "gate_id": gate.gate_id,
        "threshold": gate.threshold,
        "unit": gate.unit,
        "value": gate.value,
        "low": gate.low,
        "high": gate.high,
        "n": gate.n,
    }


def _properties(data: ReportData) -> Iterator[tuple[str, str]]:
    decision = data.decision
    yield "experiment_id", decision.experiment_id
    yield "verdict", decision.verdict
    yield "exit_code", str(decision.exit_code)
    yield "headline", decision.headline
    yield "reason", decision.reason
    yield "next_step", decision.next_step
    for sentence in minds(data):
        yield "mind", sentence
    for c in data.comparisons:
        compared = "/".join(part for part in (c.kind, c.suite, c.metric, c.slice) if part)
        for name, value in _numbers(c).items():
            if value is not None:
                yield f"{compared}: {name}", str(value)


def _numbers(c: ComparisonRow) -> dict[str, float | None]:
    return {
        "baseline": c.baseline,
        "candidate": c.candidate,
        "difference": c.difference,
        "low": c.low,
        "high": c.high,
        "p_value": c.p_value,
        "margin": c.margin,
        "n": c.n,
    }


def _text(text: str) -> str:
    """Text XML 1.0 can hold, of a bounded size; ElementTree escapes the rest."""
    return clean(shorten(text, LONGEST))
