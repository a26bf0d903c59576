"""The self-test: every accident gets its named verdict, and a gate that blocks nothing is noticed."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
import yaml
from workspaces import (
    TRAINING,
    decided,
    opened,
    recorded_experiment,
    run,
    select,
    tiny_experiment,
    verdict,
    write_jsonl,
)

from harness.cli.main import main
from harness.decision import goals, validity
from harness.decision.gates import Gate, Kind, Measured, Rule, RuleName
from harness.experiment.session import Session
from harness.judge import trust
from harness.pipeline import order
from harness.selftest import run as selftest
from harness.selftest.inject import NotApplicable
from harness.selftest.run import Outcome
from harness.store import arms
from harness.store.digests import RUN_DIGEST
from reports.outputs import markdown
from suites.errors import UserError

COLOURS = ("red", "green", "blue")
RUBRIC = """\
{{ input }} | {{ first }} | {{ second }}
{% if first == second %}verdict: tie{% elif first and first in input %}verdict: A{% else %}verdict: B{% endif %}
"""


def judged_experiment(folder: Path, n: int = 120, known: int = 8, **settings: Any) -> Path:
    """Recorded answers, training rows, and a judge that can read: the base knows half, the tuned `known` in ten."""
    colours = [COLOURS[i % 3] for i in range(n)]
    write_jsonl(folder / "train.jsonl", [{"input": f"say red, row {i}", "target": "red"} for i in range(120)])
    labelled = [{"first": "red", "second": second, "label": "first"} for second in ("dunno", "no")]
    rows = [{"id": f"l{i}", "input": f"say red {i}", **labelled[i % 2]} for i in range(80)]
    write_jsonl(folder / "labels.jsonl", rows)
    (folder / "rubric.md").write_text(RUBRIC)
    return recorded_experiment(
        folder,
        [colour if i % 10 < 5 else "dunno" for i, colour in enumerate(colours)],
        [colour if i % 10 < known else "dunno" for i, colour in enumerate(colours)],
        targets=colours,
        inputs=[f"say {colour}, question {i}" for i, colour in enumerate(colours)],
        data={"train": "train.jsonl", "test": "test.jsonl"},
        **{"judge": {"model": "echo", "rubric": "rubric.md", "calibration": "labels.jsonl"}, **settings},
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A recorded experiment run to `deploy`."""
    session = run(judged_experiment(tmp_path_factory.mktemp("recorded")))
    assert verdict(session) == "deploy"
    return session


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A tiny model and the LoRA trained on it, run to `deploy`."""
    session = run(tiny_experiment(tmp_path_factory.mktemp("trained"), base, training=TRAINING))
    assert verdict(session) == "deploy"
    return session


OF_COSTS = {"cheap and worse", "as good and dear", "costs unknown"}
"""What may befall a candidate that is to be as good and cheaper."""


@pytest.fixture(scope="module")
def cheaper(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A small model as good as a large one, at a tenth of its price, run to `deploy`."""
    folder, colours = tmp_path_factory.mktemp("cheaper"), [f"colour {i % 7}" for i in range(400)]
    sides = [["dunno" if i % 50 == wrong else colour for i, colour in enumerate(colours)] for wrong in (1, 2)]
    model = {"name": "large", "price": {"input": 1.0, "output": 2.0}}
    path = recorded_experiment(
        folder, *sides, targets=colours,
        baselines=[{"recorded": "prompted.jsonl", "model": model}],
        policy={"goal": "as_good_and_cheaper", "margin": 0.04},
        costs={"candidate": {"input": 0.1, "output": 0.2}},
    )  # fmt: skip
    for arm in ("prompted", "tuned"):
        rows = [json.loads(line) for line in (folder / f"{arm}.jsonl").read_text(encoding="utf-8").splitlines()]
        write_jsonl(
            folder / f"{arm}.jsonl", [row | {"tokens_in": 100 + i % 9, "tokens_out": 3} for i, row in enumerate(rows)]
        )
    session = run(path)
    assert verdict(session) == "deploy"
    return session


def by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in outcomes}


def named(outcomes: list[Outcome], status: str) -> set[str]:
    return {outcome.name for outcome in outcomes if outcome.status == status}


def test_every_accident_of_a_recorded_experiment_gets_its_named_verdict(recorded: Session) -> None:
    outcomes = selftest.run(recorded)
    assert {name: outcome.got for name, outcome in by_name(outcomes).items() if outcome.status == "pass"} == {
        "nothing changed": "deploy",
        "arms swapped": by_name(outcomes)["arms swapped"].got,
        "identical answers": "invalid by candidate",
        "shuffled answers": "invalid by aligned",
        "answers cut short": "reject by answers that end",
        "leaked test rows": "invalid by data",
        "metric says NaN": "invalid by answered, failures",
        "missing answers": "invalid by answered, failures",
        "file changed": "invalid by frozen",
        "many tries": "invalid by fresh exam",
        "prompt cut short": "invalid by room to answer",
        "judge says A": "judge is not used",
        "lax policy": "refused: confidence, max_unscored, slices",
        "hard ones unanswered": "inconclusive",
        "gain on leaked rows": "invalid by unseen exam",
        "lucky candidate": "inconclusive",
        "grown exam": "inconclusive",
        "copied questions": "inconclusive",
        "prompt as good": "inconclusive",
        "constant candidate": "invalid by constant answers",
        "shifted prompt": "invalid by plausible, aligned",
        "wrapped prompt": by_name(outcomes)["wrapped prompt"].got,
        "copied prompt": by_name(outcomes)["copied prompt"].got,
        "thinking prompt": "deploy, told: thinking, prompts tried",
        "no suite asked": by_name(outcomes)["no suite asked"].got,
        "judge likes length": "judge is not used",
        "judge obeys answers": "judge is not used",
        "few labelled pairs": "judge is advisory",
        "advisory judge turned": "deploy",
    }
    assert "lenient reading" in by_name(outcomes)["wrapped prompt"].got
    assert "copying a row" in by_name(outcomes)["copied prompt"].got
    assert "no regression suite was asked" in by_name(outcomes)["no suite asked"].got
    assert named(outcomes, "not_applicable") == {
        "answers in the corpus",
        "wordy candidate",
        "copies among shots",
        "base asked again",
        "other chat template",
        "adapter without effect",
        "all answers right",
        "lost behind the mean",
        "refuses everything",
        "drifted far",
        "obeys what it reads",
        "empty calls",
        "half unmarked",
        "suite at its floor",
        "seeds without gain",
        "long prompt",
        "constraint ignored",
        *OF_COSTS,
        "right on the way",
    }
    assert selftest.passed(outcomes)


def test_every_accident_of_a_trained_adapter_gets_its_named_verdict(trained: Session) -> None:
    outcomes = by_name(selftest.run(trained))
    assert named(list(outcomes.values()), "not_applicable") == {
        "answers in the corpus",
        "shuffled answers",
        "judge says A",
        "judge likes length",
        "judge obeys answers",
        "few labelled pairs",
        "wordy candidate",
        "advisory judge turned",
        "all answers right",
        "half unmarked",
        "hard ones unanswered",
        "prompt cut short",
        "lost behind the mean",
        "refuses everything",
        "drifted far",
        "obeys what it reads",
        "empty calls",
        "suite at its floor",
        "constant candidate",
        "shifted prompt",
        "wrapped prompt",
        "copied prompt",
        "long prompt",
        "constraint ignored",
        *OF_COSTS,
        "right on the way",
    }
    assert outcomes["seeds without gain"].got == "inconclusive"
    assert named(list(outcomes.values()), "fail") == set()
    assert outcomes["base asked again"].got == "0 of 30 answers differ"
    assert outcomes["copies among shots"].got == "0 of 120 are"
    assert outcomes["other chat template"].got == "invalid by comparable"
    assert outcomes["identical answers"].got == "invalid by candidate"
    assert outcomes["adapter without effect"].got == "invalid by adapter"
    assert outcomes["adapter without effect"].done == "the adapter's B matrices set to zero"


def test_a_candidate_that_is_no_adapter_lends_its_base_to_a_fresh_one(base: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "tuned.jsonl", [{"id": f"test{i}", "completion": "order"} for i in range(120)])
    settings = {"baselines": ["zero_shot"], "regression": []}
    session = run(tiny_experiment(tmp_path, base, candidate={"recorded": "tuned.jsonl"}, **settings))
    outcome = planted(session, "adapter without effect")
    assert (outcome.got, outcome.status) == ("invalid by adapter", "pass")
    assert outcome.done == "a fresh LoRA on the base, its B matrices zero"


def planted(session: Session, name: str) -> Outcome:
    """One accident in the experiment's own record."""
    with session.store.hold():
        return selftest.TESTS[name](session)


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave the other tests out; each costs a copy of the store and a decision."""
    monkeypatch.setattr(selftest, "TESTS", {name: selftest.TESTS[name] for name in names})


def test_accidents_of_a_cheaper_candidate_get_their_named_verdicts(
    cheaper: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "nothing changed", *OF_COSTS, "lucky candidate", "prompt as good")
    outcomes = by_name(selftest.run(cheaper))
    assert {name: (outcome.status, outcome.got) for name, outcome in outcomes.items()} == {
        "nothing changed": ("pass", "deploy"),
        "cheap and worse": ("pass", "inconclusive"),
        "as good and dear": ("pass", "inconclusive"),
        "costs unknown": ("pass", "inconclusive"),
        "lucky candidate": ("pass", "inconclusive"),
        "prompt as good": ("pass", "inconclusive"),
    }
    assert outcomes["lucky candidate"].done.startswith("9 candidates tried before one that loses ")


def test_a_saving_that_always_passes_makes_the_self_test_fail(
    cheaper: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goals, "saving_gate", passing("gain", "saving"))
    only(monkeypatch, "as good and dear", "costs unknown")
    assert named(selftest.run(cheaper), "fail") == {"as good and dear", "costs unknown"}


# --- gates that block nothing ----------------------------------------------------------------------------------------


def passing(kind: Kind, name: RuleName) -> Callable[..., Gate]:
    """A gate that is decoration."""
    return lambda *_, **__: Gate(name, kind, "pass", Rule(name), Measured())


@pytest.mark.parametrize(
    ("module", "broken", "missed"),
    [
        (validity, {"difference_gate": passing("validity", "candidate")}, {"identical answers"}),
        (validity, {"findings_gate": passing("validity", "data")}, {"leaked test rows"}),
        (
            validity,
            {"answered_gate": passing("validity", "answered"), "same_share_gate": passing("validity", "failures")},
            {"metric says NaN", "missing answers"},
        ),
        (
            goals,
            {"gain_gate": passing("gain", "gain")},
            {"arms swapped", "lucky candidate", "grown exam"},
        ),
        (
            trust,
            {"distrust": lambda *_: "", "unusable": lambda *_: ""},
            {"judge says A", "judge likes length", "judge obeys answers", "few labelled pairs"},
        ),
        (validity, {"frozen_gate": passing("validity", "frozen")}, {"file changed"}),
        (validity, {"looks_gate": passing("validity", "fresh_exam")}, {"many tries"}),
        (validity, {"cut_gate": passing("validity", "room_to_answer")}, {"prompt cut short"}),
    ],
    ids=["identical to the base", "leak", "unscored", "gain", "judge", "frozen", "fresh exam", "room to answer"],
)
def test_a_gate_that_always_passes_makes_the_self_test_fail(
    recorded: Session, module: Any, broken: Mapping[str, Any], missed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, gate in broken.items():
        monkeypatch.setattr(module, name, gate)
    only(monkeypatch, "nothing changed", *missed)
    assert named(selftest.run(recorded), "fail") == missed


def test_the_command_exits_1_when_an_accident_is_not_stopped(
    recorded: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validity, "difference_gate", passing("validity", "candidate"))
    only(monkeypatch, "nothing changed", "identical answers", "missing answers")
    assert main(["selftest", str(recorded.experiment.path)]) == 1
    printed = capsys.readouterr().out
    assert "MISSED" in printed
    assert "2 of 3 as named" in printed


def test_gates_on_adapter_and_template_that_always_pass_make_the_self_test_fail(
    trained: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validity, "effect_gate", passing("validity", "adapter"))
    monkeypatch.setattr(validity, "comparable_gate", passing("validity", "comparable"))
    only(monkeypatch, "adapter without effect", "other chat template")
    assert named(selftest.run(trained), "fail") == {"adapter without effect", "other chat template"}


def test_a_gate_that_blocks_everything_is_not_taken_for_a_good_one(
    recorded: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = replace(passing("validity", "candidate")(), status="fail")
    monkeypatch.setattr(validity, "difference_gate", lambda *_: always)
    with pytest.raises(UserError, match="invalid as it is"):
        selftest.run(recorded)


def test_another_verdict_than_the_one_on_record_is_noticed(tmp_path: Path) -> None:
    session = run(judged_experiment(tmp_path, judge=None))
    with session.store.connect() as con:
        con.execute("update decisions set verdict = 'reject', exit_code = 4")
    assert planted(session, "nothing changed").status == "fail"


# --- base against base -----------------------------------------------------------------------------------------------


def test_a_local_base_that_answers_otherwise_the_second_time_is_noticed(base: Path, tmp_path: Path) -> None:
    session = run(tiny_experiment(tmp_path, base, training={**TRAINING, "epochs": 1}, baselines=["zero_shot"]))
    run_id = arms.chosen(session.store, session.id, "base").run_id
    with session.store.connect() as con:
        changed = "(select completion_id from answers where run_id = ? and example_id in ('test0', 'test4', 'test5'))"
        con.execute(f"update completions set text = 'what it said before' where completion_id in {changed}", [run_id])
        con.execute(f"update runs set digest = ({RUN_DIGEST}) where run_id = ?", [run_id])
    outcome = planted(session, "base asked again")
    assert (outcome.got, outcome.status) == ("2 of 30 answers differ", "fail")


class Moody(BaseHTTPRequestHandler):
    """An endpoint whose every third answer is another one than before."""

    count = itertools.count()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        text = f"mood {number}" if (number := next(self.count)) % 3 == 0 else "dunno"
        answer = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_how_much_an_endpoint_changes_its_mind_is_told(endpoint: str, tmp_path: Path) -> None:
    path = judged_experiment(tmp_path, n=60, judge=None)
    content = yaml.safe_load(path.read_text())
    content |= {"model": {"name": "moody", "endpoint": endpoint}, "baselines": ["zero_shot"]}
    path.write_text(yaml.safe_dump(content))
    session = run(path)
    outcome = planted(session, "base asked again")
    assert outcome.status == "info"
    assert outcome.done == "30 test examples asked again"
    assert 10 <= int(outcome.got.split()[0]) <= 25
    [server] = decided(session).endpoints
    assert (server.model, server.abilities) == ("base", "temperature yes, seed yes, logprobs no, json mode yes")
    assert "server (base)" in markdown.render(decided(session), {})


# --- what is expected, and where nothing can be --------------------------------------------------------------------


def test_an_exam_too_small_to_show_a_loss_may_stay_inconclusive(tmp_path: Path) -> None:
    outcome = planted(run(judged_experiment(tmp_path, n=20, known=6, judge=None)), "shuffled answers")
    assert outcome.expected == "keep_prompting or reject or inconclusive or invalid"
    assert outcome.status == "pass"


def test_marks_that_do_not_depend_on_the_answers_are_no_mutant(tmp_path: Path) -> None:
    """Every answer holds every colour twice, so that `contains` is right wherever it stands, and half of it too."""
    path = recorded_experiment(
        tmp_path,
        ["dunno"] * 120,
        ["red green blue red green blue"] * 90 + ["no"] * 30,
        targets=[COLOURS[i % 3] for i in range(120)],
        task={"metrics": ["contains"]},
        policy={"suspicious_gain": 1.0},
    )
    session = run(path)
    outcome = planted(session, "answers cut short")
    assert (outcome.expected, outcome.got, outcome.status) == ("reject", "reject by answers that end", "pass")
    with pytest.raises(NotApplicable, match="its marks do not depend on it"):
        planted(session, "shuffled answers")


@pytest.mark.parametrize(
    ("settings", "apply"), [({"policy": {"stop_early": True}}, 25), ({"task": {"metrics": ["macro_f1"]}}, 20)]
)
@pytest.mark.slow
def test_an_exam_that_stops_early_or_has_a_metric_of_its_own_is_tested_too(
    settings: dict[str, Any], apply: int, tmp_path: Path
) -> None:
    outcomes = selftest.run(run(judged_experiment(tmp_path, n=300, judge=None, **settings)))
    assert named(outcomes, "fail") == set()
    assert len(named(outcomes, "pass")) == apply


def test_a_candidate_that_knows_every_answer_is_taken_for_a_leak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = run(judged_experiment(tmp_path, judge=None, policy={"suspicious_gain": 0.4}))
    assert planted(session, "all answers right").got == "invalid by plausible"
    monkeypatch.setattr(validity, "plausible_gate", passing("validity", "plausible"))
    assert planted(session, "all answers right").status == "fail"


def test_a_rule_that_the_file_switches_off_is_said_to_be(tmp_path: Path) -> None:
    data = {"train": "train.jsonl", "test": "test.jsonl", "findings": {"train_test_overlap": "warn"}}
    path = judged_experiment(tmp_path, judge=None)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "data": data}))
    with pytest.raises(NotApplicable, match="only warn"):
        planted(run(path), "leaked test rows")


def test_more_answers_go_missing_than_a_lenient_policy_lets_go(tmp_path: Path) -> None:
    path = judged_experiment(tmp_path, policy={"max_unscored": 0.2}, judge=None)
    outcome = planted(run(path), "missing answers")
    assert outcome.done == "25 answers of the candidate lost"
    assert outcome.status == "pass"


def test_a_second_metric_that_half_of_the_answers_lack_is_noticed(tmp_path: Path) -> None:
    path = judged_experiment(tmp_path, task={"metrics": ["exact_match", "token_f1"]}, judge=None)
    outcome = planted(run(path), "half unmarked")
    assert (outcome.got, outcome.status) == ("invalid by answered, failures", "pass")


def test_a_leaked_gain_is_noticed_where_the_exam_may_stop_early(tmp_path: Path) -> None:
    path = judged_experiment(tmp_path, policy={"stop_early": True, "suspicious_gain": 1.0}, judge=None)
    outcome = planted(run(path), "gain on leaked rows")
    assert (outcome.got, outcome.status) == ("invalid by unseen exam", "pass")


# --- the command -----------------------------------------------------------------------------------------------------


def test_nothing_of_the_users_is_touched_and_the_outcome_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = judged_experiment(tmp_path)
    session = run(path)
    files = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".duckdb"}
    [*tables] = select(session.store, "select table_name from duckdb_tables() where table_name <> 'selftest'")

    def content() -> list[Any]:
        return [select(session.store, f"from {table['table_name']} order by all") for table in tables]

    before = content()
    only(monkeypatch, "identical answers", "leaked test rows", "missing answers", "judge says A")
    for _ in range(2):
        outcomes = selftest.run(opened(path))
    assert content() == before
    assert {file: file.read_bytes() for file in files} == files
    rows = select(session.store, "select name, got, status from v_selftest order by position")
    assert [tuple(row.values()) for row in rows] == [(o.name, o.got, o.status) for o in outcomes]


def test_the_command_prints_a_table_or_json_and_exits_0(
    recorded: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    only(monkeypatch, "nothing changed", "missing answers", "adapter without effect")
    assert main(["selftest", str(recorded.experiment.path)]) == 0
    printed = capsys.readouterr()
    assert "2 of 2 as named, 1 not applicable, in " in printed.out
    assert "self-test: missing answers" in printed.err
    assert main(["selftest", str(recorded.experiment.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    assert {test["name"] for test in found["tests"]} == set(selftest.TESTS)


def test_an_experiment_that_was_not_run_is_told_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = judged_experiment(tmp_path, n=20)
    assert main(["selftest", str(path)]) == 2
    assert "run `harness baseline experiment.yaml` first" in capsys.readouterr().err


def test_baseline_and_exam_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(judged_experiment(tmp_path))
    for stage in ("check", "baseline", "exam"):
        order.do(session, stage)
    only(monkeypatch, "nothing changed", "identical answers", "judge says A")
    outcomes = selftest.run(session)
    assert outcomes[0].expected == "any verdict but invalid"
    assert [outcome.status for outcome in outcomes] == ["pass", "pass", "not_applicable"]


def test_the_right_answer_named_on_the_way_alone_gains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "right on the way")
    targets = [f"label{i % 3}" for i in range(300)]
    wrong = ["so\nlabel9" if i % 4 == 0 else f"so\n{t}" for i, t in enumerate(targets)]
    path = recorded_experiment(tmp_path, wrong, targets, targets=targets, task={"answer": "last_line"})
    [outcome] = selftest.run(run(path))
    assert (outcome.status, outcome.got) == ("pass", "keep_prompting by gain over the best prompt")


@pytest.mark.parametrize(("copy", "status"), [(2, "pass"), (20, "not_applicable")])
def test_a_best_prompt_that_only_copies_rows_is_told(
    copy: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest rows are right but for every second one, or so often that the candidate is not shown better."""
    wanted = [f"label{i * 7 % 4}" for i in range(300)]
    things = [f"thing{i} beside{i * 7 % 301}" for i in range(300)]
    path = recorded_experiment(
        tmp_path, [w if i % 3 else "none" for i, w in enumerate(wanted)],
        [w if i % 20 else "none" for i, w in enumerate(wanted)],
        targets=wanted, inputs=[f"where may one find {two}" for two in things],
    )  # fmt: skip
    rows = [{"id": f"r{i}", "input": f"{things[i]} colour please", "target": "label9" if i % copy == 1 else wanted[i]}
            for i in range(300)]  # fmt: skip
    write_jsonl(tmp_path / "train.jsonl", rows)
    content = yaml.safe_load(path.read_text())
    content["data"]["train"] = "train.jsonl"
    path.write_text(yaml.safe_dump(content))
    only(monkeypatch, "copied prompt")
    [outcome] = selftest.run(run(path))
    assert outcome.status == status, outcome
