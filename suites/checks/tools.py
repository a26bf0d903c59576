"""Do the calls that rows want fit the tools that they show?"""

from __future__ import annotations

from suites.checks.material import Material
from suites.tools.dialects import read
from suites.tools.schemas import refused
from suites.types import Example, Finding


def call_schemas(material: Material) -> list[Finding]:
    """Targets whose calls are given something that the tool's own schema refuses: a model may be marked down for right
    ones, or learn wrong ones."""
    findings = []
    for name, examples in material.splits.items():
        faults = {example.id: why for example in examples if example.tools and (why := _refused(example))}
        if faults:
            first, why = next(iter(faults.items()))
            share = f"{len(faults):,} of the {len(examples):,} {name} rows"
            text = f"in {share} the answer is no call of its tools: {first} {why}"
            findings.append(Finding("warn", "call_schemas", text, tuple(faults)))
    return findings


def _refused(example: Example) -> str | None:
    calls = (call for answer in example.answers for call in read(answer, example.tools).calls)
    return next((why for call in calls if (why := refused(call, example.tools))), None)
