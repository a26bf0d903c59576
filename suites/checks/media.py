"""Images, sound and video beside the text of a row: no model here is shown them."""

from __future__ import annotations

import re
from collections import Counter

from suites.checks.material import Material
from suites.similarity.identity import media_columns
from suites.types import Example, Finding

# What stands in a text for an image, a sound or a video beside it.
PLACE = re.compile(r"<\|?(?:image|img|audio|video)(?:_?(?:pad|\d+))?\|?>|\[IMG\]", re.IGNORECASE)


def media(material: Material) -> list[Finding]:
    """Rows with images, sound or video that the text cannot do without, or that are left out beside it."""
    findings = []
    for name, examples in material.splits.items():
        columns = {e.id: media_columns(e, material.shown.get(name, ())) for e in examples}
        needed = tuple(e.id for e in examples if _needs(e, columns[e.id]))
        beside = tuple(row for row, names in columns.items() if names)
        if rows := needed or beside:
            named = ", ".join(
                f"`{column}`" for column, _ in Counter(c for row in rows for c in columns[row]).most_common()
            )
            text = f"{len(rows):,} of the {len(examples):,} {name} rows come with images, sound or video"
            text += f" ({named})" if named else ""
            text += "; no model here is shown anything but text"
            findings.append(Finding("block" if needed else "warn", "unseen_media", text, rows))
    return findings


def _needs(example: Example, columns: list[str]) -> bool:
    """Whether the text points at what is not shown, or the row holds it as a value of its own, not as a name."""
    held = any(not isinstance(example.columns[name], str) for name in columns)
    return held or (bool(columns) and PLACE.search(example.input) is not None)
