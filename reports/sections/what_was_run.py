"""What was run, and how to run it again."""

from __future__ import annotations

from pathlib import Path

from reports.data import Pictures, ReportData
from reports.format.cells import percent, signed
from reports.format.numbers import in_time
from reports.format.text import block, cell, table
from reports.rows import FoldRow


def section(data: ReportData, pictures: Pictures) -> str:
    """What was run, and how to run it again."""
    stages = table(["stage", "took"], [[cell(s.stage), in_time(s.seconds)] for s in data.stages])
    models = sorted({(row.side, row.model_name) for row in data.arms})
    facts = [[cell(name), cell(value)] for name, value in data.facts.others.items()]
    facts += [[cell(f"model ({side})"), cell(Path(name).name)] for side, name in models]
    facts += [[cell(f"server ({server.model})"), cell(server.abilities)] for server in data.endpoints]
    facts += [[cell(name), cell(digest)] for name, digest in data.frozen.files.items()]
    again = block(f"harness run {Path(data.decision.file).name}")
    return f"## What was run\n\n{again}\n\n{_folds(data)}{stages}\n\n{table(['fact', 'value'], facts)}"


def _folds(data: ReportData) -> str:
    """What each fold of a cross-validation was trained on, and how its own exam went."""
    if not data.folds:
        return ""
    header = [
        "fold",
        "rows trained on",
        "training took",
        "rows tested on",
        "best prompt",
        "fine-tune",
        "difference, in points",
    ]
    note = (
        "Every row is tested once, in its fold; the next fold is the validation set, and the rest trains. How far the "
        "differences of the folds lie apart shows what another training on other rows may do. Where costs count the "
        "seconds of training, they are those of one training on all rows, at what a row took here."
    )
    return f"{table(header, [_fold(fold) for fold in data.folds])}\n\n{note}\n\n"


def _fold(fold: FoldRow) -> list[str]:
    rows, seconds, tested, change = "—", "—", "—", "—"
    if fold.n_rows is not None:
        rows, seconds = f"{fold.n_rows:,}", in_time(fold.training_seconds or 0.0)
    if fold.n is not None:
        tested = f"{fold.n:,}"
    if fold.baseline is not None and fold.candidate is not None:
        change = signed(fold.candidate - fold.baseline, share=False)
    sides = ((fold.baseline, fold.baseline_arm), (fold.candidate, fold.candidate_arm))
    scores = [f"{percent(score)} ({cell(arm or '—')})" for score, arm in sides]
    return [str(fold.fold), rows, seconds, tested, *scores, change]
