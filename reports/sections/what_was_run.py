"""What was run, and how to run it again."""

from __future__ import annotations

from pathlib import Path

from reports.data import Pictures, ReportData
from reports.format.cells import percent, signed
from reports.format.text import block, cell, table

TOLD = ("judge", "uncertainty", "leaks", "learning_curve")  # facts with a place of their own


def section(data: ReportData, pictures: Pictures) -> str:
    """What was run, and how to run it again."""
    stages = table(["stage", "seconds"], [[cell(s["stage"]), f"{s['seconds']:.1f}"] for s in data.stages])
    models = sorted({(row["side"], row["model_name"]) for row in data.arms})
    facts = [[cell(key), cell(str(value))] for key, value in data.facts.items() if key not in TOLD]
    facts += [[cell(f"model ({side})"), cell(Path(name).name)] for side, name in models]
    facts += [[cell(f"server ({server.model})"), cell(server.abilities)] for server in data.endpoints]
    facts += [[cell(name), cell(digest)] for name, digest in data.files.items()]
    again = block(f"harness run {Path(data.decision['file']).name}")
    return f"## What was run\n\n{again}\n\n{_folds(data)}{stages}\n\n{table(['fact', 'value'], facts)}"


def _folds(data: ReportData) -> str:
    """What each fold of a cross-validation was trained on, and how its own exam went."""
    if not data.folds:
        return ""
    rows = []
    for fold in data.folds:
        both = None not in (fold["baseline"], fold["candidate"])
        change = signed(fold["candidate"] - fold["baseline"], share=False) if both else "—"
        scores = [f"{percent(fold[side])} ({cell(fold[f'{side}_arm'] or '—')})" for side in ("baseline", "candidate")]
        trained = ["—", "—"] if fold["n_rows"] is None else [f"{fold['n_rows']:,}", f"{fold['training_seconds']:.0f}"]
        rows.append([str(fold["fold"]), *trained, "—" if fold["n"] is None else f"{fold['n']:,}", *scores, change])
    header = ["fold", "rows trained on", "seconds", "rows tested on", "best prompt", "fine-tune", "difference"]
    note = (
        "Every row is tested once, in its fold; the next fold is the validation set, and the rest trains. How far the "
        "differences of the folds lie apart shows what another training on other rows may do. Where costs count the "
        "seconds of training, they are those of one training on all rows, at what a row took here."
    )
    return f"{table(header, rows)}\n\n{note}\n\n"
