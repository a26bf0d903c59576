"""Shots and passages found by what they mean: the vectors of an encoder, read once and kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_encoder
import yaml
from workspaces import opened, write_jsonl

from baselines.arm import Prompter
from baselines.prompters.few_shot import FewShot, build, label
from baselines.prompters.rag import Rag
from baselines.prompters.rag import build as build_rag
from baselines.prompters.types import Given
from baselines.retrieval.ranking import Near
from baselines.retrieval.shots import varied
from harness.experiment.arms import base_arms
from harness.experiment.encoders import KEPT
from harness.experiment.load import load_experiment
from harness.pipeline.check_encoders import encoder_findings
from suites.errors import UserError
from suites.similarity import encoder as module
from suites.similarity.encoder import Encoder
from suites.types import Example

GROUPS = ["stolen robbed taken", "card plastic", "fee charge cost", "abroad overseas"]


def row(name: str, text: str, target: str = "x") -> Example:
    return Example(name, {"input": text}, target, name)


POOL = [
    row("robbed", "robbed of plastic", "lost_card"), row("fee", "what is the fee", "fee"),
    row("rate", "rate overseas", "rate"),
]  # fmt: skip


@pytest.fixture(scope="module")
def synonyms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder.of_synonyms(tmp_path_factory.mktemp("encoders") / "synonyms", GROUPS)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder.of_eight_tokens(tmp_path_factory.mktemp("encoders") / "short")


def refuse_to_load(self: Encoder) -> None:
    raise AssertionError("the encoder is loaded")


def test_rows_that_share_no_word_with_the_question_are_found_by_what_they_mean(synonyms: Path) -> None:
    def shown(**settings: str) -> str:
        given = Given("p", "", POOL, encoder=lambda name: Encoder(synonyms))
        few = FewShot.model_validate({"shots": 1, "choose": "nearest", **settings})
        return str(build(few, given).prompts([row("q", "my card was stolen")])[0].messages[0]["content"])  # type: ignore[index]

    assert shown(encoder="synonyms") == "robbed of plastic"
    assert shown() != "robbed of plastic", "BM25 knows words alone"


def test_varied_shots_stand_for_each_meaning(synonyms: Path) -> None:
    texts = ("a stolen card", "robbed of plastic", "taken card", "the fee", "a charge", "overseas")
    chosen = varied(texts, 3, 0, Encoder(synonyms))
    assert {at if at == 5 else at // 3 for at in chosen} == {0, 1, 5}


def test_of_equally_near_texts_the_first_is_found_first_and_all_are_ranked(synonyms: Path) -> None:
    near = Near(["fee", "stolen", "robbed", "taken"], Encoder(synonyms), "query")
    assert [at for at, _ in near.best_of_each(["stolen"], 2)[0]] == [1, 2]
    assert [at for at, _ in near.best_of_each(["stolen", "cost"], 9)[1]] == [0, 1, 2, 3]
    assert near.best_of_each([], 2) == []


def test_passages_are_found_by_what_they_mean_and_the_search_for_leaks_goes_by_words(
    synonyms: Path, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "faq.jsonl", [{"id": "f", "text": "Costs: 2 EUR."}, {"id": "s", "text": "Robbed? Call us."}])
    given = Given("p", "", folder=tmp_path, encoder=lambda name: Encoder(synonyms))
    made = build_rag(Rag(corpus="faq.jsonl", passages=1, encoder="synonyms"), given)
    assert made.passages
    assert [[p.id for p in found] for found in made.passages.find([row("q", "stolen!")])] == [["s"]]
    assert [p.id for p in made.passages.near("2 EUR", 1)] == ["f"]  # type: ignore[attr-defined]


# --- vectors are kept ------------------------------------------------------------------------------------------------


def test_a_text_is_read_once_whoever_asks(synonyms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Encoder(synonyms, kept=tmp_path).vectors(["stolen", "a fee", "", "stolen"])
    assert np.allclose(np.linalg.norm(before, axis=1), [1, 1, 0, 1]), "what says nothing is like nothing"
    monkeypatch.setattr(Encoder, "_model", property(refuse_to_load))
    assert (Encoder(synonyms, kept=tmp_path).vectors(["a fee", "stolen"]) == before[[1, 0]]).all()
    with pytest.raises(AssertionError, match="loaded"):
        Encoder(synonyms, kept=tmp_path).vectors(["stolen"], "query")


def test_an_interruption_costs_what_was_not_yet_kept_and_a_broken_file_what_it_held(
    synonyms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_AT_ONCE", 2)
    texts, read = ["stolen", "fee", "card", "overseas", "taken"], []
    keep = Encoder._keep

    def die_at_the_second(self: Encoder, keys, vectors, cut) -> None:  # type: ignore[no-untyped-def]
        if read:
            raise KeyboardInterrupt
        read.append(len(keys))
        keep(self, keys, vectors, cut)

    with monkeypatch.context() as dying:
        dying.setattr(Encoder, "_keep", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            Encoder(synonyms, kept=tmp_path).vectors(texts)
    resumed = Encoder(synonyms, kept=tmp_path)
    assert len(resumed._known) == 2
    whole = resumed.vectors(texts)
    assert (whole == Encoder(synonyms).vectors(texts)).all()
    first, *rest = sorted(tmp_path.rglob("*.npz"))
    assert len(rest) == 2
    first.write_bytes(first.read_bytes()[:99])
    again = Encoder(synonyms, kept=tmp_path)
    assert len(again._known) < 5
    assert (again.vectors(texts) == whole).all()


def test_another_encoder_has_vectors_and_a_digest_of_its_own(synonyms: Path, short: Path, tmp_path: Path) -> None:
    one, other = Encoder(synonyms, kept=tmp_path), Encoder(short, kept=tmp_path)
    assert one.digest != other.digest
    assert one.vectors(["w2"]).shape != other.vectors(["w2"]).shape


def test_what_is_longer_than_the_encoder_reads_is_counted(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(short)
    assert encoder.cut(["w2 " * 8, "w3 " * 9, ""]) == [False, True, False]
    given = Given("few", "", [row("a", "w2 " * 9), row("b", "w3")], encoder=lambda name: encoder)
    made = build(FewShot(shots=1, choose="nearest", encoder="short"), given)
    [finding] = encoder_findings([_arm(made)])
    assert finding.message.startswith("1 of the 2 training rows are longer than short reads")


def _arm(prompter: Prompter):  # type: ignore[no-untyped-def]
    from baselines.arm import Arm
    from suites.model import ModelSpec

    return Arm(prompter.name, ModelSpec(), prompter)


# --- in an experiment file -------------------------------------------------------------------------------------------


def experiment(folder: Path, **settings: object) -> Path:
    rows = [{"id": each.id, "input": each.input, "target": each.target} for each in POOL]
    write_jsonl(folder / "train.jsonl", rows)
    write_jsonl(folder / "test.jsonl", [{"id": "q", "input": "my card was stolen", "target": "lost_card"}])
    content = {
        "experiment": "e", "model": "embedded", "candidate": {"recorded": "tuned.jsonl"}, "regression": [],
        "data": {"train": "train.jsonl", "test": "test.jsonl"},
        "baselines": [{"few_shot": {"shots": 1, "choose": "nearest", **settings}}],
    }  # fmt: skip
    write_jsonl(folder / "tuned.jsonl", [{"id": "q", "completion": "lost_card"}])
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content))
    return folder / "experiment.yaml"


def test_an_encoder_is_a_part_of_the_experiment_and_its_vectors_lie_beside_it(synonyms: Path, tmp_path: Path) -> None:
    session = opened(experiment(tmp_path, encoder=str(synonyms)))
    [arm] = base_arms(session.experiment, session.splits)
    assert arm.name == "few-shot 1 nearest by synonyms"
    assert "robbed of plastic" in json.dumps(arm.prompter.prompts(session.splits["test"])[0].messages)
    assert [*(tmp_path / KEPT).rglob("*.npz")]
    assert "vectors of synonyms" in arm.prompter.found
    assert session.experiment.files[f"{synonyms} (encoder)"] == Encoder(synonyms).digest
    plain = load_experiment(experiment(tmp_path / "plain"))
    assert "encoder" not in plain.frozen(), "experiments without one keep their ids"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoder": "nowhere/at/all"}, "no such folder"),
        ({"encoder": "empty"}, "the folder holds no encoder"),
        ({"encoder": "foreign"}, "brings a program of its own, which is not run: mine.Module"),
        ({"encoder": "torn"}, "the file cannot be read"),
        ({"encoder": "synonyms", "choose": "balanced"}, "`encoder` finds shots by `choose: nearest` or `diverse`"),
        ({"encoder": ""}, "at least 1 character"),
    ],
)
def test_an_encoder_that_is_none_is_refused_with_its_line(
    settings: dict[str, str], words: str, synonyms: Path, tmp_path: Path
) -> None:
    for name, content in (("empty", None), ("foreign", '[{"type": "mine.Module", "path": ""}]'), ("torn", "[{")):
        (tmp_path / name).mkdir()
        if content:
            (tmp_path / name / "modules.json").write_text(content)
    (tmp_path / "synonyms").symlink_to(synonyms)
    with pytest.raises(UserError) as refused:
        load_experiment(experiment(tmp_path, **settings))
    assert words in refused.value.what
    assert "line " in refused.value.what


def test_without_the_library_the_install_command_is_told(
    synonyms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'finetune-harness\[embeddings\]'"):
        load_experiment(experiment(tmp_path, encoder=str(synonyms)))


def test_pickled_weights_are_not_loaded(short: Path, tmp_path: Path) -> None:
    for file in short.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(UserError, match="pickled weights, which can run code and are not loaded"):
        Encoder(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match="the encoder cannot be loaded"):
        Encoder(tmp_path).vectors(["w2"])


# --- passages and shots together -------------------------------------------------------------------------------------


def test_passages_and_shots_stand_in_one_prompt_and_a_shot_is_shown_as_the_question_is(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "faq.jsonl", [{"id": "f", "text": "A fee is 2 EUR."}, {"id": "c", "text": "A card is red."}])
    train = [row("a", "What is a fee?", "2 EUR"), row("b", "Bonjour?", "none")]
    settings = Rag.model_validate({"corpus": "faq.jsonl", "passages": 1, "few_shot": {"shots": 2}})
    made = build_rag(settings, Given("p", "Answer.", train, folder=tmp_path))
    [prompt] = made.prompts([row("q", "Which card is it?")])
    turns = {str(m["content"]) for m in prompt.messages if m["role"] == "user"}  # type: ignore[index]
    assert turns == {
        "Passages:\n\n[1] A fee is 2 EUR.\n\nWhat is a fee?", "Bonjour?",
        "Passages:\n\n[1] A card is red.\n\nWhich card is it?",
    }  # fmt: skip
    assert str(prompt.messages[-1]["content"]).endswith("Which card is it?")  # type: ignore[index]
    assert made.digest not in {replace(made, shots=()).digest, replace(made, passages=None).digest}


def test_a_template_that_says_where_passages_stand_says_it_for_shots_too(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "faq.jsonl", [{"id": "f", "text": "A fee is 2 EUR."}])
    settings = Rag.model_validate({"corpus": "faq.jsonl", "passages": 1, "few_shot": {"shots": 1, "choose": "nearest"}})
    template = "{{ passages | join(' ') }} Q: {{ input }}"
    made = build_rag(settings, Given("p", template, [row("a", "a fee?", "2"), row("b", "?", "0")], folder=tmp_path))
    assert [m["content"] for m in made.messages(row("q", "the fee now?"))] == [
        "A fee is 2 EUR. Q: a fee?", "2", "A fee is 2 EUR. Q: the fee now?",
    ]  # fmt: skip


def test_what_such_prompts_are_called() -> None:
    assert label(FewShot(shots=8, choose="nearest", encoder="models/minilm")) == "few-shot 8 nearest by minilm"
