"""What knowing nothing scores on an exam that was taken: one answer for everything, or a choice at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.store import runs
from harness.store.database import Store
from suites.benchmarks.lm_eval import choices
from suites.metrics.constants import best_constant, can_mark


def floor(store: Store, run_id: str, metric: str) -> float:
    """The best constant answer's score, or chance among the choices of lm-eval's questions, in [0, 1].

    0 where neither can be worked out, as for recorded marks: nothing scores less.
    """
    if not can_mark(metric):
        return _guessing(list(runs.answers(store, run_id, metric).values()))
    constant = best_constant(metric, runs.wanted(store, run_id, metric))
    return constant.score if constant else 0.0


def _guessing(answers: Sequence[tuple[str, str]]) -> float:
    """What a choice at random scores, or always the same one; 0 where not every question had choices."""
    counts = [choices(text) for _, text in answers]
    known = [count for count in counts if count]
    if not known or len(known) < len(counts):
        return 0.0
    most = Counter(target for target, _ in answers).most_common(1)[0][1]
    return max(sum(1 / count for count in known), most) / len(known)
