"""From two logs of another tool to a verdict, by the commands a user types; and which logs no verdict may rest on."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import eval_logs
import pytest
import yaml
from eval_logs import WRITERS, half
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from workspaces import opened, run, select, verdict

from harness.cli.main import main
from harness.experiment.load import load_experiment
from harness.importers import import_logs
from harness.models.recorded import read_answers
from suites.data.examples import read_examples
from suites.errors import UserError

WEAK, STRONG = half(200, 0.4), half(200, 0.7, seed=1)


def decide(folder: Path, base: Path | str, tuned: Path | str, *options: str) -> str:
    """The verdict of what `harness import` wrote, run as it is."""
    assert main(["import", str(base), str(tuned), "--out", str(folder / "out"), *options]) == 0
    return verdict(run(folder / "out" / "experiment.yaml"))


def gates(folder: Path) -> dict[str, dict[str, Any]]:
    session = opened(folder / "out" / "experiment.yaml")
    return {row["name"]: row for row in select(session.store, "select * from v_gates")}


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_two_logs_become_a_verdict(name: str, tmp_path: Path) -> None:
    write = WRITERS[name]
    assert decide(tmp_path, write(tmp_path / "base", WEAK), write(tmp_path / "tuned", STRONG)) == "deploy"


@pytest.mark.parametrize(("base", "tuned", "code"), [(WEAK, STRONG, 0), (STRONG, WEAK, 3)])
def test_the_two_commands_of_the_readme(
    base: list[bool], tuned: list[bool], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = [eval_logs.lm_eval(tmp_path / "base", base), eval_logs.lm_eval(tmp_path / "tuned", tuned)]
    assert main(["import", *map(str, logs), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "two lm-eval logs, 200 questions; recorded:exact_match,flexible-extract on sums decides" in told
    [command] = [line.removeprefix("next: harness ") for line in told.splitlines() if line.startswith("next: ")]
    assert main(command.split(" ", 1)) == code


def test_the_same_log_twice_is_invalid(tmp_path: Path) -> None:
    log = eval_logs.promptfoo(tmp_path / "one", WEAK)
    assert decide(tmp_path, log, log) == "invalid"


def test_both_columns_of_one_promptfoo_log(tmp_path: Path) -> None:
    path = eval_logs.promptfoo(tmp_path / "both", WEAK)
    content = json.loads(path.read_text())
    other = json.loads(eval_logs.promptfoo(tmp_path / "tuned", STRONG).read_text())["results"]["results"]
    content["results"]["results"] += [
        row | {"promptIdx": 1, "provider": {"id": "ours", "label": "tuned"}} for row in other
    ]
    path.write_text(json.dumps(content))
    assert decide(tmp_path, f"{path}::0", f"{path}::tuned", "--metric", "score") == "deploy"


def test_an_answer_missing_on_one_side_stays_in_the_denominator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, tuned = eval_logs.nemo(tmp_path / "base", WEAK), eval_logs.nemo(tmp_path / "tuned", [True] * 200)
    rows = (tuned / "results.jsonl").read_text().split("\n")
    (tuned / "results.jsonl").write_text("\n".join(rows[10:]))
    assert decide(tmp_path, base, tuned) == "invalid"
    assert (
        "note: tuned has no answer to 10 of 200 questions of arithmetic: '0/0', '1/0', '2/0', ..."
        in capsys.readouterr().err
    )
    assert (
        "10 of 200 without a score (no recorded answer for arithmetic/0/0)" in gates(tmp_path)["answered"]["measured"]
    )


def test_errors_are_never_wrong_answers(tmp_path: Path) -> None:
    """All of the tuned model's failures are the server's: it is not worse than the base, it was not measured."""
    base, tuned = eval_logs.inspect_json(tmp_path / "base", STRONG), eval_logs.inspect_json(tmp_path / "tuned", STRONG)
    log = json.loads(tuned.read_text())
    for sample, right in zip(log["samples"], STRONG, strict=True):
        if not right:
            sample["error"] = {"message": "429 Too Many Requests"}
    tuned.write_text(json.dumps(log))
    assert decide(tmp_path, base, tuned) == "invalid"
    scores = select(
        opened(tmp_path / "out" / "experiment.yaml").store, "select value, reason from v_scores where arm = 'candidate'"
    )
    assert {(row["value"], row["reason"]) for row in scores} == {(1.0, ""), (None, "429 Too Many Requests")}


def test_repeats_of_a_question_are_one_piece_of_evidence(tmp_path: Path) -> None:
    logs = [eval_logs.inspect_json(tmp_path / name, half(200, 0.5, seed), epochs=4) for seed, name in enumerate("ab")]
    decide(tmp_path, *logs)
    [task] = select(opened(tmp_path / "out" / "experiment.yaml").store, "select n, n_clusters from v_comparisons")
    assert (task["n"], task["n_clusters"]) == (200, 50)
    assert yaml.safe_load((tmp_path / "out" / "experiment.yaml").read_text())["data"]["findings"] == {
        "duplicates": "info"
    }


def test_the_tasks_that_do_not_decide_are_regression_suites(tmp_path: Path) -> None:
    for name, gains, forgets in (("base", WEAK, STRONG), ("tuned", STRONG, WEAK)):
        eval_logs.lm_eval(tmp_path / name, gains, task="gains")
        eval_logs.lm_eval(tmp_path / name, forgets, task="forgets")
    assert decide(tmp_path, tmp_path / "base", tmp_path / "tuned", "--task", "gains") == "reject"
    assert gates(tmp_path)["forgets"]["status"] == "fail"
    assert gates(tmp_path)["gain over the best prompt"]["status"] == "pass"
    with pytest.raises(UserError, match="2 tasks could decide: forgets, gains") as asked:
        import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "other")
    assert "`--task NAME`" in str(asked.value), "which decides is said before the result is seen"


def test_logs_of_different_questions_are_refused_and_named(tmp_path: Path) -> None:
    base, tuned = eval_logs.lm_eval(tmp_path / "base", WEAK), eval_logs.lm_eval(tmp_path / "tuned", WEAK)
    file = next(tuned.glob("samples*"))
    rows = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
    for row in rows:
        if row["doc_id"] >= 170:
            row["doc"]["question"] = "Something else?"
    file.write_text(eval_logs.lines(rows))
    with pytest.raises(UserError, match="30 of 200 items are different questions") as told:
        import_logs(str(base), str(tuned), tmp_path / "out")
    assert "asks 'Something else?' -> '340'; samples_sums" in told.value.what
    assert "asks 'What is 170+170?' -> '340'" in told.value.what
    assert told.value.what.endswith("... and 10 more")
    assert not (tmp_path / "out").exists()


def test_prompts_are_the_arms_own_business(tmp_path: Path) -> None:
    base, tuned = eval_logs.lm_eval(tmp_path / "base", WEAK), eval_logs.lm_eval(tmp_path / "tuned", STRONG)
    file = next(base.glob("samples*"))
    rows = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
    for row in rows:
        row["arguments"]["gen_args_0"]["arg_0"] = "Eight shots first.\n" + row["arguments"]["gen_args_0"]["arg_0"]
    file.write_text(eval_logs.lines(rows))
    assert decide(tmp_path, base, tuned) == "deploy"


def other_task(folder: Path) -> Path:
    return eval_logs.lm_eval(folder, WEAK, task="other")


def other_items(folder: Path) -> Path:
    path = eval_logs.nemo(folder, WEAK) / "results.jsonl"
    path.write_text(path.read_text().replace('"problem_idx": ', '"problem_idx": 1000'))
    return folder


def repeated(folder: Path) -> Path:
    path = eval_logs.nemo(folder, WEAK) / "results.jsonl"
    path.write_text(path.read_text() * 2)
    return folder


@pytest.mark.parametrize(
    ("base", "tuned", "message"),
    [
        (eval_logs.lm_eval, eval_logs.nemo, "one log is of lm-eval, the other of NeMo Evaluator"),
        (eval_logs.lm_eval, other_task, "different tasks\n  only in .*base: sums\n  only in .*tuned: other"),
        (eval_logs.nemo, other_items, "no item in common"),
        (
            eval_logs.nemo,
            repeated,
            "200 items answered twice\n  results.jsonl:201: '0/0' was answered in results.jsonl:1",
        ),
    ],
)
def test_logs_that_cannot_be_compared_are_refused(
    base: Callable[..., Path], tuned: Callable[..., Path], message: str, tmp_path: Path
) -> None:
    logs = [base(tmp_path / "base", WEAK), tuned(tmp_path / "tuned") if tuned in (other_task, other_items, repeated)
            else tuned(tmp_path / "tuned", WEAK)]  # fmt: skip
    with pytest.raises(UserError, match=message):
        import_logs(str(logs[0]), str(logs[1]), tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "f2"], "use one of pass, score, politeness, exact_match, "),
        (["--task", "french"], "no task 'french' in the logs"),
    ],
)
def test_a_name_that_is_not_in_the_logs_is_refused_with_those_that_are(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(eval_logs.promptfoo(tmp_path / "log", WEAK))
    assert main(["import", log, log, "--out", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err


def test_marks_outside_0_to_1_do_not_decide(tmp_path: Path) -> None:
    logs = [eval_logs.nemo(tmp_path / name, WEAK) for name in ("base", "tuned")]
    for log in logs:
        file = log / "results.jsonl"
        file.write_text(file.read_text().replace('"reward": 1.0, "scorer_rewards"', '"reward": 4.0, "scorer_rewards"'))
    found = import_logs(str(logs[0]), str(logs[1]), tmp_path / "out")
    assert "recorded:scorer:terse on arithmetic decides" in found.summary
    with pytest.raises(UserError, match="neither a mark in \\[0, 1\\]"):
        import_logs(str(logs[0]), str(logs[1]), tmp_path / "other", metric="reward")


def test_a_mark_that_only_one_log_has_cannot_decide(tmp_path: Path) -> None:
    logs = [eval_logs.nemo(tmp_path / name, WEAK) for name in ("base", "tuned")]
    file = logs[0] / "results.jsonl"
    file.write_text(file.read_text().replace('"reward"', '"unrewarded"').replace("scorer_rewards", "none"))
    with pytest.raises(UserError, match="no mark of the logs can decide\n  there are no marks that both logs have"):
        import_logs(str(logs[0]), str(logs[1]), tmp_path / "out")
    found = import_logs(str(logs[0]), str(logs[1]), tmp_path / "out", metric="exact_match")
    assert "'reward', 'scorer:terse' cannot decide: a mark of only one log" in found.remarks


def test_our_own_metrics_mark_the_text_anew(tmp_path: Path) -> None:
    logs = [eval_logs.lm_eval(tmp_path / "base", WEAK), eval_logs.lm_eval(tmp_path / "tuned", STRONG)]
    assert decide(tmp_path, *logs, "--metric", "number_match") == "deploy"
    assert yaml.safe_load((tmp_path / "out" / "experiment.yaml").read_text())["task"] == {"metrics": ["number_match"]}


def test_a_metric_is_named_as_other_tools_name_it(tmp_path: Path) -> None:
    logs = [eval_logs.lm_eval(tmp_path / "base", WEAK), eval_logs.lm_eval(tmp_path / "tuned", STRONG)]
    import_logs(str(logs[0]), str(logs[1]), tmp_path / "out", metric="accuracy")
    assert yaml.safe_load((tmp_path / "out" / "experiment.yaml").read_text())["task"] == {"metrics": ["exact_match"]}


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    log = str(eval_logs.promptfoo(tmp_path / "log", WEAK))
    with pytest.raises(UserError, match="not empty"):
        import_logs(log, log, tmp_path)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_the_order_of_lines_says_nothing(seed: int, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    logs = [eval_logs.lm_eval(tmp_path / "base", WEAK[:30]), eval_logs.lm_eval(tmp_path / "tuned", STRONG[:30])]
    import_logs(str(logs[0]), str(logs[1]), tmp_path / "before")
    for log in logs:
        file = next(log.glob("samples*"))
        rows = file.read_text().split("\n")[:-1]
        random.Random(seed).shuffle(rows)
        file.write_text("\n".join(rows) + "\n")
    import_logs(str(logs[0]), str(logs[1]), tmp_path / "after")
    assert written(tmp_path / "after") == written(tmp_path / "before")


HOSTILE = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(
    [
        "[/x]",
        "\x1b[2J",
        "a\u2028b\u0085c",
        "\x00",
        "\ud800",
        "{{ 7 * 7 }}",
        "'; drop table runs; --",
        "../../x",
        "a: b # c",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=HOSTILE, answer=HOSTILE, mark=HOSTILE, identity=HOSTILE, task=HOSTILE)
@example(question="\ud800", answer="\ud83d", mark="m\ud800", identity="\udc00", task="\ud800")
def test_hostile_text_arrives_as_it_was(
    question: str, answer: str, mark: str, identity: str, task: str, tmp_path: Path
) -> None:
    """Half a character, which no file can hold, becomes a question mark, and so does a NUL in a name; all else stays,
    and nothing is a path."""
    shutil.rmtree(tmp_path, ignore_errors=True)
    log = eval_logs.inspect_log([True])
    [sample] = log["samples"]
    log["eval"]["task"] = task
    log["plan"] = {"config": {f"a{mark}": answer}, "steps": [{"solver": identity}]}
    sample |= {"id": identity, "input": question, "target": answer, "scores": {mark: {"value": 1.0}}}
    sample["output"]["choices"][0]["message"]["content"] = answer
    tmp_path.mkdir()
    (tmp_path / "log.json").write_text(json.dumps(log))
    path = import_logs(str(tmp_path / "log.json"), str(tmp_path / "log.json"), tmp_path / "out").experiment
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "exam.jsonl",
        "base.jsonl",
        "tuned.jsonl",
        path.name,
    }
    [asked] = read_examples(tmp_path / "out" / "exam.jsonl", {})
    whole = [text.encode("utf-8", "replace").decode() for text in (question, answer, mark.replace("\0", "?"))]
    assert [asked.input, asked.target] == whole[:2]
    [(key, completion)] = read_answers(tmp_path / "out" / "base.jsonl").items()
    assert (key, completion.text, completion.scores) == (asked.id, whole[1], {whole[2]: 1.0})
    assert load_experiment(path).config.task.metrics == [f"recorded:{whole[2]}"]


def test_task_names_become_harmless_and_different_folders(tmp_path: Path) -> None:
    for name in ("base", "tuned"):
        for task in ("../../up", "up", "UP", "general", "out", "..", "tuned.jsonl"):
            where = tmp_path / name / f"{abs(hash(task))}"
            eval_logs.nemo(where, WEAK[:3], "safe")
            bundle = next(where.glob("eval-*"))
            bundle.write_text(json.dumps({"benchmark": {"name": task, "scores": {}}}))
    import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out", task="up")
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len({folder.lower() for folder in folders}) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"base", "tuned", "out"}
    assert load_experiment(tmp_path / "out" / "experiment.yaml").config.regression


def test_logs_that_lm_eval_itself_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own evaluation and its own writer, over a model that knows some answers by heart."""
    from lm_eval.evaluator import evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager
    from table_model import Table

    from suites.benchmarks.lm_eval import _adapt

    rows = [{"question": f"Number {i}?", "choices": [f"small {i}", f"big {i}"], "label": i % 2} for i in range(120)]
    (tmp_path / "data.jsonl").write_text(eval_logs.lines(rows))
    spec = {
        "task": "sizes",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "data.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "label",
        "metric_list": [{"metric": "acc"}],
    }
    for name, known in (("base", 40), ("tuned", 120)):
        model = _adapt(Table({row["question"]: row["choices"][row["label"]] for row in rows[:known]}), {}, 0)
        tasks = TaskManager(include_defaults=False).load([spec])
        results = evaluate(lm=model, task_dict=tasks, bootstrap_iters=0, apply_chat_template=True)
        tracker = EvaluationTracker(output_path=str(tmp_path / name))
        tracker.general_config_tracker.log_experiment_args("hf", {"pretrained": name}, None, None, False)
        samples = results.pop("samples")
        tracker.save_results_aggregated(results, samples)
        tracker.save_results_samples("sizes", samples["sizes"])
    assert decide(tmp_path, tmp_path / "base", tmp_path / "tuned") == "deploy"
