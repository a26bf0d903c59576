"""What a judge costs: nothing twice, over interruptions and candidates, no more pairs than allowed, and told."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from workspaces import decided, recorded_experiment, run, write_jsonl

from harness.decision.prices import Rate
from harness.judge.judges import Asked, judged
from harness.judge.meter import Metered, measures
from harness.judge.own_pairs import label_order
from harness.models.cache import Cached
from harness.models.echo import EchoModel
from harness.store.database import Store
from reports.sections.judge import section
from suites.judges.pairwise import Pair, Rubric
from suites.model import Completion, Generation, OnProgress, Prompt

RUBRIC = Rubric("test", "{{ input }} {{ first }} {{ second }} verdict: {% if first > second %}A{% else %}B{% endif %}")
PAIRS = [Pair(f"p{i}", f"question {i}", f"answer {i}", f"other {i}") for i in range(20)]


class Dying(EchoModel):
    """Says what it hears, and dies once it has answered `most` questions."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.answered = most, 0

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        done = super().generate(prompts[: self.most], generation, on_progress=on_progress)
        self.answered += len(done)
        if len(prompts) > self.most:
            raise KeyboardInterrupt
        return done


def asked(store: Store, pairs: Sequence[Pair], most: int = 1000) -> int:
    """How many verdicts are asked for, the rest being on record."""
    model = Dying(most)
    try:
        judged(Asked(Cached(model, store), RUBRIC, Generation()), pairs, "pairs")
    except KeyboardInterrupt:
        assert most < 1000
    return model.answered


def test_an_interrupted_judge_goes_on_where_it_was_and_another_candidate_asks_for_what_is_new(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    assert asked(store, PAIRS, most=15) == 15
    assert asked(store, PAIRS) == 25
    assert asked(store, PAIRS) == 0
    second = [Pair(p.id, p.input, f"better {i}" if i < 5 else p.first, p.second) for i, p in enumerate(PAIRS)]
    assert asked(store, second) == 10


def test_verdicts_are_counted_and_priced_those_on_record_too() -> None:
    model = Metered(EchoModel())
    judged(Asked(model, RUBRIC, Generation()), PAIRS, "pairs")
    tokens, cost = measures([model], Rate(input=1.0, output=2.0), "EUR")
    assert (tokens.n, cost.n, cost.note) == (40, 40, "EUR")
    spent = [(answer.tokens_in, answer.tokens_out) for answer in model.given]
    assert tokens.value == sum(map(sum, spent))
    assert cost.value == pytest.approx(sum(read + 2 * written for read, written in spent) / 1e6)
    assert [m.name for m in measures([model], None, "EUR")] == ["tokens"]
    assert measures([Metered(EchoModel())], None, "EUR") == []


def quality(i: int, side: str) -> str:
    """An answer that begins with how good it is."""
    draw = random.Random(f"{side} {i}")
    return f"{draw.randint(0, 3)} {'x' * draw.randint(1, 30)}"


def test_a_part_of_the_exam_is_judged_by_two_and_people_s_word_on_it_decides(tmp_path: Path) -> None:
    """Labels of other pairs, and of the exam's own in the order that is drawn and written. Both judges say the same."""
    (tmp_path / "rubric.md").write_text(
        "{% set a = first[:1] if first[:1] in '0123' else '' %}{% set b = second[:1] if second[:1] in '0123' else '' %}"
        "{{ input }} {{ first }} {{ second }} verdict: {% if a == b %}tie{% elif a > b %}A{% else %}B{% endif %}"
    )
    answers = [[quality(i, side) for i in range(160)] for side in ("base", "candidate")]
    answers[1][:20] = answers[0][:20]
    exam = [Pair(f"t{i:04d}", f"question {i}", answers[1][i], answers[0][i]) for i in range(160)]
    order = [pair for pair in label_order(exam, {pair.id: pair.id for pair in exam}, 3) if pair.first != pair.second]
    others = [Pair(f"l{i}", f"another {i}", quality(i, "one"), quality(i, "two")) for i in range(80)]
    labels = [{**asdict(pair), "label": said(pair.first, pair.second)} for pair in [*others, *order[:110]]]
    write_jsonl(tmp_path / "labels.jsonl", labels)
    path = recorded_experiment(
        tmp_path, *answers, seed=3, task={"metrics": ["contains"]}, costs={"judge": {"input": 9.0, "output": 9.0}},
        judge={
            "model": "echo", "rubric": "rubric.md", "calibration": "labels.jsonl", "max_pairs": 100,
            "cascade": {"first": {"name": "echo", "dtype": "float32"}, "price": {"input": 1.0, "output": 1.0}},
        },
    )  # fmt: skip
    data = decided(run(path))
    [comparison] = data.compared("judge")
    assert comparison.n == pytest.approx(114, abs=1)
    assert "drawn at random, the judge's beside it (PPI++)" in comparison.method
    found = {measure.name: measure for measure in data.judge_measures}
    assert found["judged"].value == pytest.approx(0.714, abs=0.01)
    assert (found["first_judged"].value, found["first_right"].value) == (100, 1.0)
    assert found["first_right"].n == pytest.approx(50, abs=2)
    assert 50 < found["strong_judged"].value < 85
    assert found["win_rate"].value == pytest.approx((1 + comparison.as_judged) / 2)
    assert found["cost"].value > 3 * found["first_cost"].value
    assert found["cost"].value
    assert found["win_rate_labelled"].value == pytest.approx(comparison.candidate)
    report = section(data, {})
    assert "What decides is people's word on" in report
    assert "| what they cost | 0." in report
    assert "A first judge was asked about every pair" in report
    assert "| of them: about which the judge itself was asked | " in report
    rows = [json.loads(line) for line in (tmp_path / "out" / "recorded" / "pairs-to-label.jsonl").open()]
    unlabelled = [row["input"] for row in rows if not row["label"]]
    assert len(rows) == 100
    assert unlabelled == [row["input"] for row in rows][-len(unlabelled) :]


def said(first: str, second: str) -> str:
    """What people say of two answers."""
    return "tie" if first[0] == second[0] else "first" if first[0] > second[0] else "second"
