"""Can these numbers be compared?"""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.sections.gates import gate_table


def section(data: ReportData, pictures: Pictures) -> str:
    """Every rule about whether the numbers can be compared at all."""
    return f"## Can these numbers be compared?\n\n{gate_table(data.validity_gates())}"
