"""The drift probe: how far a model expects other text than its base, whatever it was taught."""

import math
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_models import build
from workspaces import decided, recorded_experiment, select, tiny_experiment
from workspaces import run as run_all

from harness.experiment.load import load_experiment
from harness.models.hf import drift
from harness.models.hf.model import HFModel
from harness.pipeline.decide import conclude
from harness.selftest.drift import drifted_far
from reports.outputs import markdown
from suites.errors import UserError
from suites.model import ModelSpec
from suites.probes.drift import AGREEMENT, NEUTRAL, PROBABILITY, load_probe, marks

TEXTS = ["the parcel for order 17 arrived late", "hello world " * 150]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A base, and another model of its kind."""
    return [HFModel(ModelSpec(base=str(build("qwen2", tmp_path_factory.mktemp("tiny"), seed=seed)))) for seed in (0, 1)]


def test_a_model_has_not_drifted_from_itself(models):
    base, _ = models
    for read in drift.divergences(base, TEXTS, drift.expectations(base, TEXTS)):
        assert read.divergence == pytest.approx(0, abs=1e-5)


def test_the_divergence_of_few_tokens_is_that_of_the_whole_distributions(models, monkeypatch):
    base, other = models
    [text, _] = TEXTS
    ids = base.chat.encode_pairs([("", text)])[0]
    whole = [*ids[0], *ids[1]]
    ours, theirs = (model.logits(whole[:-1]).double().log_softmax(-1) for model in (base, other))
    expected = float((ours.exp() * (ours - theirs)).sum(-1).mean())
    monkeypatch.setattr(drift, "MOST", 100_000)
    [read] = drift.divergences(other, [text], drift.expectations(base, [text]))
    assert read.divergence == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(drift, "MOST", 4)
    [few] = drift.divergences(other, [text], drift.expectations(base, [text]))
    assert 0 < few.divergence < expected, "what is taken for one event tells less"


def test_a_text_is_as_probable_as_its_log_likelihood_says_in_windows_too(models):
    base, _ = models
    found = drift.divergences(base, TEXTS, drift.expectations(base, TEXTS))
    assert found[1].tokens > base.context_length
    expected = [score.logprob for score in base.loglikelihood([("", text) for text in TEXTS])]
    assert [read.logprob for read in found] == pytest.approx(expected, rel=1e-4)


def test_marks_lie_between_nothing_and_the_same(models):
    base, other = models
    probe = load_probe(NEUTRAL, Path())
    [example, *_] = probe.examples
    [read] = drift.divergences(other, [example.input], drift.expectations(base, [example.input]))
    found = marks(example, read)
    assert found[AGREEMENT].value == pytest.approx(math.exp(-read.divergence))
    assert 0 < found[PROBABILITY].value < 1
    assert len(probe.examples) == 20
    assert {e.slices["part"] for e in probe.examples} >= {"en", "de", "code"}


def test_a_model_that_reads_other_tokens_cannot_be_compared(models, tmp_path):
    base, _ = models
    stranger = HFModel(ModelSpec(base=str(build("gemma2", tmp_path))))
    with pytest.raises(UserError, match="reads text as other tokens"):
        drift.divergences(stranger, TEXTS, drift.expectations(base, TEXTS))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('{"id": "a", "text": "one"}\n{"id": "b"}\n', "has no `text`"),
        ('{"id": "a", "text": "one"}\n', "needs two passages or more"),
        ('{"id": "a", "text": "one"}\n{"id": "a", "text": "two"}\n', "an `id` of its own"),
    ],
)
def test_passages_that_cannot_be_read_are_refused(tmp_path, rows, message):
    (tmp_path / "own.jsonl").write_text(rows)
    with pytest.raises(UserError, match=message):
        load_probe("own.jsonl", tmp_path)


def test_drift_of_answers_from_elsewhere_cannot_be_known(tmp_path):
    path = recorded_experiment(tmp_path, ["yes"] * 4, ["yes"] * 4, regression=[{"drift": "neutral"}])
    with pytest.raises(UserError, match="`drift` cannot be known here"):
        load_experiment(path)


def drifting(folder, base, candidate, **entry):
    """A small experiment that asks for drift alone."""
    path = tiny_experiment(
        folder, base.base, candidate={"path": str(candidate.base)}, baselines=["zero_shot"],
        regression=[{"drift": "neutral", **entry}],
    )  # fmt: skip
    content = yaml.safe_load(path.read_text())
    content["data"] = {"test": "test.jsonl"}
    path.write_text(yaml.safe_dump(content))
    (folder / "test.jsonl").write_text("".join((folder / "test.jsonl").read_text().splitlines(True)[:6]))
    return path


def gate(session):
    [found] = select(session.store, "from v_gates where gate_id = 'regression/drift'")
    return found["tier"], found["status"]


def test_drift_is_told_in_the_report_and_read_once(models, tmp_path, monkeypatch):
    base, other = models
    path = drifting(tmp_path, base, other)
    session = run_all(path)
    assert gate(session) == ("advisory", "fail")
    report = markdown.render(decided(session), {})
    assert "| drift | agreement | 100.0% |" in report
    assert "| drift | en | 100.0% |" in report
    read = []
    monkeypatch.setattr(HFModel, "logits", lambda self, ids: read.append(ids) or torch.zeros(1))
    run_all(path)
    assert not read


@pytest.mark.slow
def test_a_fine_tune_that_is_another_model_is_stopped_where_drift_has_a_say(models, tmp_path):
    base, _ = models
    shutil.copytree(base.base, tmp_path / "near")
    weights = load_file(tmp_path / "near" / "model.safetensors")
    save_file({name: tensor * 1.0001 for name, tensor in weights.items()}, tmp_path / "near" / "model.safetensors")
    near = HFModel(ModelSpec(base=str(tmp_path / "near")))
    session = run_all(drifting(tmp_path, base, near, tier="supporting"))
    assert gate(session) == ("supporting", "pass"), "it has hardly moved"
    planted = drifted_far(session)
    conclude(session)
    assert gate(session) == ("supporting", "fail")
    assert [verdict.text for verdict in planted.verdicts] == ["reject"]
