"""Which marks of a log decide, and which way round: never upside down, and never one in the place of another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import eval_logs
import pytest
import yaml
from eval_logs import half
from workspaces import run, verdict

from harness.importers import import_logs, read
from harness.importers.marks import better_when_lower, turn, why_lower
from suites.errors import UserError

SOME, MANY = half(100, 0.5), half(100, 0.8, seed=1)


def stereotypes(place: Path, shown: Sequence[bool]) -> Path:
    """What crows_pairs logs: both of its marks are better when lower, and one of them is no share."""
    return eval_logs.lm_eval_marks(
        place, "stereotypes", {"likelihood_diff": [2.5] * len(shown), "pct_stereotype": [float(one) for one in shown]}
    )


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("word_perplexity", True),
        ("eval_loss", True),
        ("wer", True),
        ("WER", True),
        ("char/ter", True),
        ("brier_score", True),
        ("pct_stereotype", True),
        ("HallucinationScore", True),
        ("answer", False),  # "wer" stands in it, but is no word of it
        ("better", False),
        ("lossless", False),
        ("exact_match", False),
        ("Bleu", False),
    ],
)
def test_a_mark_is_known_by_whole_words_of_its_name(name: str, lower: bool) -> None:
    assert (why_lower(name) is not None) is lower


def test_what_a_log_says_of_its_marks_counts_more_than_their_names() -> None:
    assert better_when_lower("wer", [None, None])
    assert not better_when_lower("wer", [True, None]), "a share of words that are right, under a bad name"
    assert better_when_lower("quality", [None, False])
    assert better_when_lower("quality", [True, False]), "where the logs disagree it cannot be taken as it is"


def test_turning_leaves_no_dust() -> None:
    assert [turn(value) for value in (0.0, 0.1, 0.3, 1.0)] == [1.0, 0.9, 0.7, 0.0]


def test_a_log_whose_marks_are_all_better_when_lower_asks_what_decides(tmp_path: Path) -> None:
    logs = [str(stereotypes(tmp_path / name, shown)) for name, shown in (("base", SOME), ("tuned", MANY))]
    with pytest.raises(UserError) as refused:
        import_logs(*logs, tmp_path / "out")
    told = str(refused.value)
    assert "no mark of the logs can decide" in told
    assert "'pct_stereotype': better when lower" in told
    assert "'likelihood_diff': better when lower" in told
    assert "--metric '1 - pct_stereotype'" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("metric", ["pct_stereotype", "1 - pct_stereotype", "recorded:pct_stereotype"])
def test_a_mark_that_is_better_when_lower_decides_turned_where_it_is_named(metric: str, tmp_path: Path) -> None:
    logs = [str(stereotypes(tmp_path / name, shown)) for name, shown in (("base", SOME), ("tuned", MANY))]
    found = import_logs(*logs, tmp_path / "out", metric=metric)
    assert yaml.safe_load(found.experiment.read_text())["task"] == {"metrics": ["recorded:1 - pct_stereotype"]}
    row = json.loads((tmp_path / "out" / "base.jsonl").read_text().split("\n")[0])
    assert row["scores"] == {"1 - pct_stereotype": 1 - float(SOME[0])}, "no mark stands there upside down"


def test_more_stereotypes_are_no_gain(tmp_path: Path) -> None:
    logs = [str(stereotypes(tmp_path / name, shown)) for name, shown in (("base", SOME), ("tuned", MANY))]
    found = import_logs(*logs, tmp_path / "out", metric="pct_stereotype")
    assert verdict(run(found.experiment)) == "keep_prompting"


def test_a_task_that_is_better_when_lower_is_a_regression_suite_the_right_way_round(tmp_path: Path) -> None:
    for name, right, shown in (("base", SOME, MANY), ("tuned", MANY, SOME)):
        eval_logs.lm_eval(tmp_path / name, right)
        stereotypes(tmp_path / name, shown)
    found = import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out")
    assert "on sums decides; 1 more as regression suites: stereotypes" in found.summary
    suite = yaml.safe_load((tmp_path / "out" / "stereotypes" / "suite.yaml").read_text())
    assert suite["metrics"] == ["recorded:1 - pct_stereotype"]
    assert verdict(run(found.experiment)) == "deploy", "fewer stereotypes are no loss"


def test_a_perplexity_log_cannot_be_compared(tmp_path: Path) -> None:
    pairs = [[-120.5, 57]] * 3
    for name in ("base", "tuned"):
        marks = {"word_perplexity": pairs, "bits_per_byte": pairs}
        eval_logs.lm_eval_marks(tmp_path / name, "wikitext", marks, arguments=[["a text"]], resps=[["-120.5"]])
    with pytest.raises(UserError, match=r"'word_perplexity': of the whole text, .* cannot be compared here"):
        import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out")
    with pytest.raises(UserError, match="the answers are probabilities, not texts that exact_match could mark"):
        import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out", metric="exact_match")


def test_a_task_without_a_mark_is_left_out_and_told(tmp_path: Path) -> None:
    for name, right in (("base", SOME), ("tuned", MANY)):
        eval_logs.lm_eval(tmp_path / name, right)
        eval_logs.lm_eval_marks(tmp_path / name, "wikitext", {"word_perplexity": [[-120.5, 57]] * 3})
    found = import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out")
    assert "no mark can be compared, and no suite is made, of wikitext" in found.remarks
    assert not (tmp_path / "out" / "wikitext").exists()


def translations(place: Path, said: Sequence[str], metric: str = "bleu") -> Path:
    """What lm-eval logs for a metric of the whole exam: the pair of texts it is made from."""
    wanted = [f"the cat {i} sits on the mat" for i in range(len(said))]
    pairs = [list(pair) for pair in zip(wanted, said, strict=True)]
    eval_logs.lm_eval_marks(place, "translate", {metric: pairs})
    file = next(place.glob("samples_*"))
    rows = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
    rows = [row | {"target": text, "resps": [[given]]} for row, text, given in zip(rows, wanted, said, strict=True)]
    file.write_text(eval_logs.lines(rows))
    return place


def test_pairs_of_texts_are_our_metric_of_the_whole_exam(tmp_path: Path) -> None:
    logs = [
        str(translations(tmp_path / name, [f"the {noun} {i} sits on the mat" for i in range(60)]))
        for name, noun in (("base", "dog"), ("tuned", "cat"))
    ]
    found = import_logs(*logs, tmp_path / "out")
    assert "; bleu on translate decides" in found.summary
    assert "bleu is of the whole exam, and is computed anew from the log's texts" in found.remarks
    assert verdict(run(found.experiment)) == "deploy"


@pytest.mark.parametrize("metric", ["meteor", "wer"])
def test_pairs_that_no_metric_of_ours_marks_are_told(metric: str, tmp_path: Path) -> None:
    logs = [str(translations(tmp_path / name, ["a", "b"], metric)) for name in ("base", "tuned")]
    with pytest.raises(UserError, match=f"'{metric}': of the whole exam, and logged as pairs of texts"):
        import_logs(*logs, tmp_path / "out")


def test_pairs_of_other_texts_than_the_answers_are_not_marked_as_theirs(tmp_path: Path) -> None:
    """A filter took something off the answer: our metric would mark another text than lm-eval did."""
    place = translations(tmp_path / "log", ["a", "b"])
    file = next(place.glob("samples_*"))
    file.write_text(file.read_text().replace('"resps": [["a"]]', '"resps": [["Answer: a"]]'))
    log = read(str(place))
    assert log.useless["translate"]["bleu"].startswith("of the whole exam")


def test_a_mark_named_metric_that_no_task_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    for name in ("base", "tuned"):
        for task in ("one", "two"):
            eval_logs.lm_eval(tmp_path / name, SOME[:3], task=task)
    with pytest.raises(UserError, match=r"nor a metric: 'f2'\n.*\n.*use one of exact_match,flexible-extract"):
        import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out", metric="f2")
