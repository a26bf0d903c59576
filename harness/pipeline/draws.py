"""What several answers to each question say of decoding: how much of the gain's uncertainty it is."""

from __future__ import annotations

from harness.decision.compare import Comparison
from harness.experiment.session import Session
from harness.pipeline.compare import chosen_runs
from harness.stats.draws import decoding_variance
from harness.store import runs


def draws_sentence(session: Session, gain: Comparison | None) -> str:
    """How often each question was asked, and the share of decoding in the gain's variance; empty for once."""
    task = session.experiment.config.task
    if task.samples == 1 or gain is None:
        return ""
    said = f"Each question was asked {task.samples} times at temperature {task.temperature:g}"
    parts = [_variance(session, row.run_id, gain.metric) for row in chosen_runs(session)]
    if None in parts or not gain.sd or not gain.n:
        return f"{said}; the interval covers these draws."
    share = min(1.0, sum(part or 0.0 for part in parts) / (gain.sd**2 / gain.n))
    return f"{said}: {share:.0%} of the gain's variance is decoding, which more draws would lessen; the rest is the " \
        "choice of examples."  # fmt: skip


def _variance(session: Session, run_id: str, metric: str) -> float | None:
    scores = runs.scores(session.store, run_id, metric)
    marked = [score for score in scores.values() if score.value is not None]
    spreads = [score.spread for score in marked if score.spread is not None]
    return decoding_variance(spreads, session.experiment.config.task.samples) if len(spreads) == len(marked) else None
