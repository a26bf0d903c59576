"""Configs of other trainers become experiments: every setting of theirs is carried over or told, and none is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from trainer_files import CASES, DESKS, chat, instruction, question, write_all, write_lines

from harness.cli.main import main
from harness.experiment import splits, training_data
from harness.experiment.load import Experiment, load_experiment
from harness.importers import trainers
from harness.importers.trainers import Conversion
from harness.importers.trainers.ledger import Ledger, Reason, dotted
from harness.importers.trainers.shapes import Shape, as_chat, as_pair, as_rated
from harness.importers.trainers.sources import part_of
from suites.errors import UserError
from suites.text.yaml_text import load_theirs

EXAMPLES = sorted(
    path.relative_to(CASES).as_posix().replace("script.txt", "train.py")
    for path in CASES.glob("*/*.*")
    if path.parent.name != "data"
)
ON_THE_HUB = ("axolotl/alpaca_hub.yml", "llama_factory/qlora_hub.yaml")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example configs with the rows they name."""
    folder = tmp_path_factory.mktemp("trainers")
    write_all(folder)
    return folder


@pytest.fixture
def files(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return written


def converted(files: Path, example: str, monkeypatch: pytest.MonkeyPatch, out: Path) -> Conversion:
    """An example, converted by a command that is typed where its users type it."""
    monkeypatch.chdir(files / Path(example).parent)
    conversion = trainers.convert(Path(Path(example).name), out)
    trainers.write(conversion, out)
    return conversion


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Each leaf of a file by its dotted name; written anew here, so that the accounts are not their own judge."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        for number, part in enumerate(value):
            yield from leaves(part, f"{place}[{number}]")
    else:
        yield place, value


def has(experiment: object, setting: str) -> bool:
    """Whether an experiment says something under a dotted name; a stage before counts as the training."""
    for part in setting.split("."):
        if not isinstance(experiment, dict) or part not in experiment:
            return False
        experiment = experiment[part]
    return True


def opened(path: Path) -> Experiment:
    """What `harness check` reads of an experiment: settings, rows of every split, and no leak into its exam."""
    experiment = load_experiment(path)
    rows = splits.read_splits(experiment, splits.read_files(experiment))
    assert rows["test"]
    assert rows["train"]
    if experiment.config.data.preferences:
        assert not training_data.findings(experiment, rows)
        assert training_data.rows(experiment, rows)
    return experiment


# --- every leaf ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", [example for example in EXAMPLES if not example.endswith(".py")])
def test_every_leaf_of_a_file_is_carried_over_or_told(
    example: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = converted(files, example, monkeypatch, tmp_path / "e.yaml")
    theirs = dict(leaves(load_theirs(files / example)))
    accounts = {dotted(place): account for place, account in conversion.theirs.accounts.items()}
    assert theirs.keys() <= accounts.keys()
    said = "\n".join(conversion.remarks)
    for name, value in theirs.items():
        fate, word, _ = accounts[name]
        if fate == "told":
            assert f"{name}: {json.dumps(value, default=str, ensure_ascii=False)}" in said, name
            assert word, f"{name} is told without a reason"
        elif fate == "blank":
            assert value in (None, "", [], {}), name
        else:
            assert word, name


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_carried_over_stands_in_the_experiment(
    example: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = converted(files, example, monkeypatch, tmp_path / "e.yaml")
    experiment = dict(conversion.experiment)
    [*_, stage] = [experiment["training"], *experiment["training"].get("after", [])]
    for place, account in conversion.theirs.accounts.items():
        setting = account.word
        if account.fate == "carried" and setting.startswith("training."):
            given = conversion.theirs.leaves[place]
            off = given is False or setting == "training.report_to"  # what is off there is not said here
            assert off or has({"training": stage}, setting), f"{dotted(place)} -> {setting}"


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example not in ON_THE_HUB])
def test_the_experiment_opens_with_its_rows(
    example: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted(files, example, monkeypatch, tmp_path / "elsewhere" / "e.yaml")
    opened(tmp_path / "elsewhere" / "e.yaml")


def test_each_kind_of_file_has_examples_enough() -> None:
    counts = {
        folder: sum(example.startswith(folder) for example in EXAMPLES) for folder in ("axolotl", "llama_factory")
    }
    assert min(counts.values()) >= 8, counts


def test_what_changes_what_is_learnt_is_told_first(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remarks = converted(files, "axolotl/chat.yml", monkeypatch, tmp_path / "e.yaml").remarks
    first = [remark.startswith("changes what is learnt: ") for remark in remarks]
    assert first == sorted(first, reverse=True)
    assert "changes what is learnt: train_on_inputs: true: the loss here is on the answers only" in remarks
    assert [remark for remark in remarks if remark.startswith("not carried over, how it runs there: ")] == remarks[-1:]


def test_a_key_that_nobody_knows_is_told_as_what_it_is() -> None:
    ledger = Ledger({"known": 1, "deep": {"list": [{"new": [1, 2]}]}, "blank": None})
    ledger.carry("seed", "known")
    ledger.close([Reason(("other",), "why")])
    assert ledger.remarks() == ["not carried over: deep.list[0].new: [1, 2]: no counterpart here"]


# --- Axolotl ---------------------------------------------------------------------------------------------------------


def test_a_part_of_a_file_under_its_own_keys_becomes_chats(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = converted(files, "axolotl/chat.yml", monkeypatch, tmp_path / "e.yaml")
    train = conversion.files["e-data/train.jsonl"]
    assert len(train) == 30 + 12, "half of the first file, and all of the second"
    assert train[0] == {
        "messages": [{"role": "user", "content": question(0)}, {"role": "assistant", "content": DESKS[0]}]
    }
    assert len(conversion.files["e-data/validation.jsonl"]) == 10
    told = "held.jsonl is read with the keys of desk.jsonl: those of its own do not fit its rows"
    assert told in conversion.remarks
    training = conversion.experiment["training"]
    assert (training["batch_size"], training["gradient_accumulation"]) == (2, 2)
    assert training["epochs"] == pytest.approx(40 * 4 / 38, abs=1e-3), "steps of the rows that are left to learn from"
    assert training["warmup_share"] == 0.1
    assert training["variant"] == "rslora"
    assert "baselines" not in conversion.experiment, "there are validation rows to choose a prompt on"


def axolotl(tmp_path: Path, text: str) -> Conversion:
    path = tmp_path / "a.yml"
    if not (tmp_path / "rows.jsonl").exists():
        write_lines(tmp_path / "rows.jsonl", map(instruction, range(20)))
    path.write_text(f"base_model: embedded\nadapter: lora\nlora_target_linear: true\n{text}", encoding="utf-8")
    return trainers.convert(path, tmp_path / "e.yaml")


def test_what_axolotl_does_where_its_file_says_nothing_is_done_here(tmp_path: Path) -> None:
    conversion = axolotl(tmp_path, "datasets: [{path: rows.jsonl, type: alpaca}]\nlearning_rate: 2e-4\n")
    training = conversion.experiment["training"]
    assert (training["epochs"], training["batch_size"], training["warmup_share"]) == (1.0, 1, 0.03)
    assert training["learning_rate"] == 2e-4
    assert conversion.experiment["data"]["train"] == "rows.jsonl", "one file of known rows is named, not copied"
    assert (
        "changes what is learnt: no lora_r, lora_alpha: this harness's own, of rank 16, alpha 32 and every linear layer"
        in (conversion.remarks)
    )


def test_a_dataset_of_the_hub_is_told_from_a_folder(tmp_path: Path) -> None:
    text = "datasets: [{path: acme/notes, name: en, split: 'train[:20%]', revision: v2, type: alpaca}]\n"
    assert axolotl(tmp_path, text).experiment["data"]["train"] == "hf:acme/notes:en@v2/train[:20%]"
    (tmp_path / "acme" / "notes").mkdir(parents=True)
    write_lines(tmp_path / "acme" / "notes" / "rows.jsonl", map(instruction, range(20)))
    assert len(axolotl(tmp_path, text).files["e-data/train.jsonl"]) == 4


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("rl: orpo\noutput_dir: out\n", "rl: orpo is no method of this harness"),
        ("rl: dpo\ndpo_loss_type: [ipo]\n", 'rl: dpo with ["ipo"] is no method'),
        ("rl: simpo\n", "rl: simpo is no method"),
        ("adapter: llama-adapter\n", "adapter: llama-adapter is no method"),
        ("process_reward_model: true\n", "process_reward_model: true is no method"),
        ("datasets: [{path: rows.jsonl, type: completion}]\n", "plain text, which asks nothing"),
        ("pretraining_dataset: [{path: allenai/c4, name: en}]\n", "plain text, which asks nothing"),
        ("datasets: [{path: 's3://bucket/rows.jsonl', type: alpaca}]\n", "data at an address"),
        ("datasets: []\n", "names no data"),
        ("datasets: [{type: alpaca}]\n", "a dataset has no `path`"),
        (
            "datasets: [{path: rows.jsonl, type: alpaca}]\nseed: -3\n",
            "seed: Input should be greater than or equal to 0",
        ),
    ],
)
def test_what_the_harness_cannot_do_is_refused_and_never_becomes_another_training(
    text: str, what: str, tmp_path: Path
) -> None:
    text = text if "dataset" in text else f"{text}datasets: [{{path: rows.jsonl, type: alpaca}}]\n"
    with pytest.raises(UserError) as refused:
        axolotl(tmp_path, text)
    assert what in refused.value.what
    if "no method" in what:
        assert "`candidate:" in refused.value.fix


def test_steps_go_before_epochs(tmp_path: Path) -> None:
    text = "datasets: [{path: rows.jsonl, type: alpaca}]\nnum_epochs: 3\nmicro_batch_size: 2\nmax_steps: 9\n"
    conversion = axolotl(tmp_path, text)
    assert conversion.experiment["training"]["epochs"] == 1.0, "9 steps of 2 rows, and 18 rows to learn from"
    assert "not carried over: num_epochs: 3: the number of steps goes before it, there and here" in conversion.remarks
    assert axolotl(tmp_path, text.replace("9", "-1")).experiment["training"]["epochs"] == 3


def test_trackers_and_gpus_that_are_not_here_are_told(tmp_path: Path) -> None:
    rows = "datasets: [{path: rows.jsonl, type: alpaca}]\n"
    conversion = axolotl(tmp_path, f"{rows}report_to: [wandb, swanlab]\ndeepspeed: zero2.json\n")
    assert conversion.experiment["training"]["report_to"] == ["wandb"]
    told = 'not carried over: report_to: ["wandb", "swanlab"]: the harness tells tensorboard, wandb, mlflow, trackio'
    assert told in conversion.remarks
    assert any("a pass is of each GPU there" in remark for remark in conversion.remarks)
    assert not any("a pass is of each GPU" in remark for remark in axolotl(tmp_path, rows).remarks)


def test_rows_that_are_not_what_the_file_says_are_listed(tmp_path: Path) -> None:
    write_lines(tmp_path / "rows.jsonl", [{"dialog": chat(1)}, {"dialog": [{"who": "user"}]}, {"other": 1}])
    keys = (
        "field_messages: dialog, message_property_mappings: {role: role, content: content}, drop_system_message: true"
    )
    with pytest.raises(UserError) as refused:
        axolotl(tmp_path, f"datasets: [{{path: rows.jsonl, type: chat_template, {keys}}}]\n")
    assert refused.value.what.splitlines() == [
        "2 bad rows",
        "  row 2: turn 1 has no `role`; it has who",
        "  row 3: no column `dialog`; the row has other",
    ]


def test_a_conversation_of_several_answers_is_told(tmp_path: Path) -> None:
    write_lines(tmp_path / "rows.jsonl", [{"messages": [*chat(1), *chat(2)]}, {"messages": chat(3)}])
    remarks = axolotl(tmp_path, "datasets: [{path: rows.jsonl, type: chat_template}]\n").remarks
    told = (
        "changes what is learnt: 1 of 2 rows have several answers; the last is learnt here, and every one there, as "
        "`data: {turns: all}` has it"
    )
    assert told in remarks


def test_answers_in_free_words_are_told(tmp_path: Path) -> None:
    def told(words: int) -> bool:
        rows = [{**instruction(i), "output": " ".join(["word"] * words)} for i in range(20)]
        write_lines(tmp_path / "rows.jsonl", rows)
        remarks = axolotl(tmp_path, "datasets: [{path: rows.jsonl, type: alpaca}]\n").remarks
        return any("`exact_match` suits short ones" in remark for remark in remarks)

    assert told(13)
    assert not told(12)


# --- preferences -----------------------------------------------------------------------------------------------------


def test_rated_answers_are_learnt_by_kto_and_the_bad_ones_are_no_targets(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = converted(files, "axolotl/kto.yml", monkeypatch, tmp_path / "e.yaml")
    assert conversion.experiment["training"]["method"] == "kto"
    assert conversion.experiment["training"]["beta"] == 0.5
    targets = [row["messages"][-1]["content"] for row in conversion.files["e-data/train.jsonl"]]
    assert set(targets) <= set(DESKS)
    rated = conversion.files["e-data/preferences.jsonl"]
    assert len(rated) == 2 * 36, "what is asked in the exam is not learnt"
    exam = {row["messages"][0]["content"] for row in conversion.files["e-data/test.jsonl"]}
    assert len(exam) == 4
    assert not exam & {row["prompt"] for row in rated}


def test_a_reward_model_is_the_stage_before_a_training_by_its_rewards(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = converted(files, "llama_factory/reward.yaml", monkeypatch, tmp_path / "e.yaml")
    training = conversion.experiment["training"]
    assert (training["method"], training["reward"]) == ("rloo", "model")
    [stage] = training["after"]
    assert (stage["method"], stage["rank"], stage["learning_rate"]) == ("reward", 8, 1e-4)
    assert any("a reward model answers nothing" in remark for remark in conversion.remarks)


def test_what_is_set_aside_hangs_on_what_is_asked_and_not_on_its_place(tmp_path: Path) -> None:
    def exam(rows: list[dict[str, object]]) -> list[str]:
        write_lines(tmp_path / "rows.jsonl", rows)
        text = "rl: dpo\nval_set_size: 0.2\ndatasets: [{path: rows.jsonl, type: chat_template.default}]\n"
        files = axolotl(tmp_path, text).files
        assert [len(files[f"e-data/{name}.jsonl"]) for name in ("test", "validation", "preferences")] == [4, 8, 28]
        return sorted(row["messages"][0]["content"] for row in files["e-data/test.jsonl"])

    rows: list[dict[str, object]] = [
        {"prompt": question(i), "chosen": DESKS[i % 3], "rejected": "no idea"} for i in range(40)
    ]
    assert exam(rows) == exam(rows[::-1])


def test_too_few_prompts_for_an_exam_are_refused(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "yes", "rejected": "no"} for i in range(2)]
    write_lines(tmp_path / "rows.jsonl", rows)
    with pytest.raises(UserError, match="only 2 prompts have a good answer"):
        axolotl(tmp_path, "rl: dpo\ndatasets: [{path: rows.jsonl, type: chatml.prompt_pairs}]\n")
    write_lines(tmp_path / "rows.jsonl", [*rows, {"prompt": "q3", "chosen": "yes", "rejected": "no"}])
    assert (
        len(axolotl(tmp_path, "rl: dpo\ndatasets: [{path: rows.jsonl, type: llama3.icr}]\n").files["e-data/test.jsonl"])
        == 1
    )


ASKED = [{"role": "user", "content": "Which desk?"}]
GOOD, BAD = ({"role": "assistant", "content": text} for text in ("billing", "no idea"))
PAIR = {"prompt": ASKED, "chosen": "billing", "rejected": "no idea"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Which desk?", "chosen": "billing", "rejected": "no idea"},
        {"question": "Which desk?", "chosen": "billing", "rejected": "no idea"},
        {"instruction": "Which desk?", "chosen_response": "billing", "rejected_response": "no idea"},
        {"messages": ASKED, "chosen": GOOD, "rejected": BAD},
        {"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
        {"prompt": "Which desk?", "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
        {"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]},
        {"input": {"messages": ASKED}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
        {"chosen": "Which desk? billing", "rejected": "Which desk? no idea"},
    ],
    ids=lambda row: " ".join(row),
)
def test_pairs_are_read_in_the_shapes_that_people_have(row: dict[str, object]) -> None:
    read = as_pair(Shape("pairs"), row)
    assert {**read, "prompt": [{**turn, "content": turn["content"].strip()} for turn in read["prompt"]]} == PAIR


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Which desk?", "completion": "billing", "label": True},
        {"prompt": ASKED, "completion": [GOOD], "label": "true"},
        {"messages": [*ASKED, GOOD], "label": 1},
        {"instruction": "Which desk?", "output": "billing", "kto_tag": True},
        {"prompt": "Which desk?", "chosen": [*ASKED, GOOD], "label": True},
    ],
    ids=lambda row: " ".join(row),
)
def test_ratings_are_read_in_the_shapes_that_people_have(row: dict[str, object]) -> None:
    assert as_rated(Shape("rated"), row) == {"prompt": ASKED, "completion": "billing", "label": True}


def test_a_rating_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`label` is text, expected true or false"):
        as_rated(Shape("rated"), {"prompt": "a", "completion": "b", "label": "maybe"})


def test_turns_keep_whether_they_are_learnt() -> None:
    shape = Shape("chat", {"messages": "messages"}, trained="train")
    row = {"id": 7, "messages": [*ASKED, {**BAD, "train": False}, *ASKED, {**GOOD, "train": True}]}
    assert [turn.get("weight") for turn in as_chat(shape, row)["messages"]] == [None, 0, None, 1]
    assert as_chat(shape, row)["id"] == 7
    with pytest.raises(ValueError, match=r"weight 0\.5, expected one that is learnt or is not"):
        as_chat(shape, {"messages": [*ASKED, {**GOOD, "train": 0.5}]})


@pytest.mark.parametrize(
    ("split", "taken"),
    [("train", range(10)), ("train[:20%]", range(2)), ("train[-3:]", range(7, 10)), ("train[25%:50%]", range(2, 5))],
)
def test_a_part_of_a_split_is_the_part_that_datasets_takes(split: str, taken: range) -> None:
    assert part_of([{"i": i} for i in range(10)], split, "rows") == [{"i": i} for i in taken]


def test_a_limit_is_a_part_of_what_lies_on_the_hub_and_nothing_where_there_are_no_more(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files / "llama_factory")
    at_limit, below = (factory(files / "llama_factory", max_samples=limit) for limit in (60, 59))
    assert (at_limit.experiment["data"]["train"], dict(at_limit.files)) == ("../data/notes.json", {})
    assert len(below.files["experiment-data/train.jsonl"]) == 59
    hub = factory(files / "llama_factory", dataset="onhub", max_samples=1000)
    assert hub.experiment["data"]["train"] == "hf:acme/notes:en/train[:1000]"


def test_parts_added_up_are_refused() -> None:
    with pytest.raises(UserError, match="not one part of one split"):
        part_of([], "train[:10%]+train[-10%:]", "rows")


# --- LLaMA-Factory ---------------------------------------------------------------------------------------------------


def factory(folder: Path, **settings: object) -> Conversion:
    path = folder / "examples" / "e.yaml"
    path.parent.mkdir(exist_ok=True)
    given = {"model_name_or_path": "embedded", "stage": "sft", "dataset": "notes", **settings}
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return trainers.convert(path, folder / "out" / "experiment.yaml")


def test_the_data_is_found_from_where_the_command_is_typed(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files / "llama_factory")
    config = tmp_path / "sft.yaml"
    shutil.copy(files / "llama_factory" / "full.yaml", config)
    found = trainers.convert(config, tmp_path / "e.yaml").experiment["data"]["train"]
    assert (tmp_path / found).resolve() == (files / "llama_factory" / "data" / "asked.json").resolve()


def test_the_data_is_found_above_the_config(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert factory(files / "llama_factory").experiment["data"]["train"] == "../data/notes.json"


def test_what_llama_factory_does_where_its_file_says_nothing_is_done_here(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files / "llama_factory")
    conversion = factory(files / "llama_factory", lora_rank=12)
    training = conversion.experiment["training"]
    assert (training["rank"], training["alpha"], training["batch_size"], training["max_length"]) == (12, 24, 8, 2048)
    assert (training["epochs"], training["learning_rate"], training["warmup_share"]) == (3.0, 5e-5, 0.0)
    assert any(remark.startswith("not in the file, so the trainer's own: alpha 24, ") for remark in conversion.remarks)
    training = factory(files / "llama_factory", stage="dpo", dataset="pairs").experiment["training"]
    assert (training["method"], training["beta"]) == ("dpo", 0.1)
    training = factory(files / "llama_factory", lora_target="q_proj,v_proj").experiment["training"]
    assert training["target_modules"] == ["q_proj", "v_proj"]
    assert factory(files / "llama_factory", lora_target="q_proj").experiment["training"]["target_modules"] == "q_proj"
    assert factory(files / "llama_factory", lora_target="all").experiment["training"]["target_modules"] == "all-linear"


def test_columns_of_their_own_become_columns_of_ours_or_chats(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files / "llama_factory")
    assert factory(files / "llama_factory", dataset="plain").experiment["data"]["columns"] == {
        "input": "question", "target": "answer",
    }  # fmt: skip
    rows = factory(files / "llama_factory", dataset="asked").files["experiment-data/train.jsonl"]
    assert rows[0]["messages"] == [
        {"role": "system", "content": "You route."},
        {"role": "user", "content": f"{question(100)}\n\norder 100"},
        {"role": "assistant", "content": DESKS[100 % 3]},
    ]
    rows = factory(files / "llama_factory", dataset="talks").files["experiment-data/train.jsonl"]
    assert [turn["role"] for turn in rows[0]["messages"]] == ["system", "user", "assistant"]


def test_a_dataset_of_the_hub_is_named(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files / "llama_factory")
    conversion = factory(files / "llama_factory", dataset="onhub", max_steps=100, max_new_tokens=256)
    assert conversion.experiment["data"]["train"] == "hf:acme/notes:en/train"
    assert conversion.experiment["task"] == {"max_new_tokens": 256}
    told = "changes what is learnt: max_steps: 100: the rows are not counted here; set training.epochs"
    assert told in conversion.remarks


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"stage": "ppo"}, "stage: ppo is no method"),
        ({"stage": "pt"}, "plain text, which asks nothing"),
        ({"dataset": "documents"}, "plain text, which asks nothing"),
        ({"stage": "dpo", "dataset": "pairs", "pref_loss": "simpo"}, "pref_loss: simpo is no method"),
        ({"finetuning_type": "freeze"}, "finetuning_type: freeze is no method"),
        ({"dataset": "pairs"}, "pairs holds preferences, and stage: sft learns what to answer"),
        ({"dataset": "note"}, "no dataset 'note' in dataset_info.json"),
        ({"dataset": "elsewhere"}, "the dataset 'elsewhere' lies at ms_hub_url"),
        ({"dataset_dir": "nowhere"}, "no dataset_info.json in `dataset_dir: nowhere`"),
        ({"dataset_dir": "REMOTE:acme/data"}, "no dataset_info.json in `dataset_dir: REMOTE:acme/data`"),
        ({"dataset": "onhub,notes"}, "rows have to be read to be carried over"),
        ({"dataset": None}, "names no data"),
        ({"dataset": "gone", "max_samples": 5}, "no such file"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    settings: dict[str, object], what: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files / "llama_factory")
    with pytest.raises(UserError) as refused:
        factory(files / "llama_factory", **settings)
    assert what in refused.value.what
    assert refused.value.fix


def test_a_setting_that_cannot_be_here_is_told_with_its_reason(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files / "llama_factory")
    conversion = factory(files / "llama_factory", stage="dpo", dataset="pairs", packing=True, cutoff_len=4)
    training = conversion.experiment["training"]
    assert "packing" not in training
    said = [remark for remark in conversion.remarks if remark.startswith("changes what is learnt: ")]
    assert any(": packing: true: `packing` goes with lora" in remark for remark in said)
    assert any(": cutoff_len: 4: max_length: Input should be greater than or equal to 8" in remark for remark in said)


def test_weights_of_turns_and_parts_of_text_of_the_second_form_are_read(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = converted(files, "llama_factory/v1_sft.yaml", monkeypatch, tmp_path / "e.yaml").files["e-data/train.jsonl"]
    assert len(rows) == 20 + 20, "`size` of the first data set, and all of the second"
    assert rows[-1]["messages"][-1] == {"role": "assistant", "content": DESKS[419 % 3], "weight": 1}


# --- the others ------------------------------------------------------------------------------------------------------


def test_what_trl_is_run_for_is_told_by_the_rows_the_settings_or_the_name(tmp_path: Path) -> None:
    def method(name: str, **settings: object) -> tuple[str, list[str]]:
        given = {"model_name_or_path": "embedded", "dataset_name": "acme/rows", "use_peft": True, **settings}
        (tmp_path / name).write_text(yaml.safe_dump(given), encoding="utf-8")
        conversion = trainers.convert(tmp_path / name, tmp_path / "e.yaml")
        return conversion.experiment["training"]["method"], list(conversion.remarks)

    write_lines(tmp_path / "rows.jsonl", [{"prompt": f"q{i}", "chosen": "yes", "rejected": "no"} for i in range(20)])
    assert method("a.yaml", dataset_name="rows.jsonl")[0] == "dpo"
    assert method("sft.yaml")[0] == "lora"
    assert method("a.yaml", packing=True, load_in_4bit=True)[0] == "qlora"
    assert method("a.yaml", packing=True, use_peft=False)[0] == "full"
    assert method("a.yaml", num_iterations=1)[0] == "grpo"
    chosen, remarks = method("a.yaml")
    assert chosen == "lora"
    assert "changes what is learnt: the file does not say which trainer it is for: taken for `trl sft`" in remarks


def test_the_weights_and_columns_of_torchtune(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = converted(files, "other/torchtune.yaml", monkeypatch, tmp_path / "e.yaml")
    training = conversion.experiment["training"]
    assert training["target_modules"] == ["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert (training["learning_rate"], training["weight_decay"], training["alpha"]) == (3e-4, 0.01, 128)
    assert (tmp_path / conversion.experiment["model"]).resolve() == (files / "other" / "base").resolve()
    assert len(conversion.files["e-data/validation.jsonl"]) == 20


def test_a_script_is_read_and_never_run(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = converted(files, "other/train.py", monkeypatch, tmp_path / "e.yaml")
    training = conversion.experiment["training"]
    assert (training["method"], training["rank"], training["alpha"], training["max_length"]) == ("lora", 8, 32, 512)
    assert training["epochs"] == pytest.approx(20 * 8 / 36, abs=1e-3)
    assert any(remark.startswith("not carried over: load_dataset (2).data_files: ") for remark in conversion.remarks)


def test_a_notebook_is_read_as_the_script_that_it_is(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files / "other")
    code = Path("train.py").read_text(encoding="utf-8").splitlines(keepends=True)
    cells = [
        {"cell_type": "markdown", "source": ["# Train"]},
        {"cell_type": "code", "source": ["%%capture\n", "!pip install unsloth\n"]},
        {"cell_type": "code", "source": code},
    ]
    Path("train.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    read, script = (trainers.convert(Path(f"train.{kind}"), Path("e.yaml")).experiment for kind in ("ipynb", "py"))
    assert read == script


def test_a_script_whose_model_is_not_written_down_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        "m = AutoModel.from_pretrained(args.model)\nd = load_dataset('x/y')\nSFTTrainer(m)\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match="names no model that can be read without running it"):
        trainers.convert(path, tmp_path / "e.yaml")


def test_a_job_of_an_api_stays_there(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = converted(files, "other/openai_job.json", monkeypatch, tmp_path / "e.yaml")
    job = conversion.experiment["training"]["openai_job"]
    assert (job["model"], job["hyperparameters"]) == ("a-small-model-2026-01-01", {"n_epochs": 4, "batch_size": 1})
    assert any("starts a job there, which is paid for" in remark for remark in conversion.remarks)
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"model": "m", "training_file": "f", "method": {"type": "dpo"}}), encoding="utf-8")
    with pytest.raises(UserError, match="method: dpo: jobs that the harness starts are supervised"):
        trainers.convert(path, tmp_path / "x.yaml")


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "a: [", "", "model_name_or_path: x/y\nexport_dir: merged\n"])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        trainers.convert(tmp_path / "x.yaml", tmp_path / "e.yaml")


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_writes_the_experiment_its_rows_and_what_is_told(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files / "axolotl")
    out = tmp_path / "new" / "e.yaml"
    assert main(["convert", "dpo.yml", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert f"wrote {out.parent / 'e-data' / 'preferences.jsonl'}\n" in said.out
    assert "note: there is no exam in the file: 4 of 40 prompts are set aside for it" in said.err
    assert "# there is no exam in the file: 4 of 40 prompts are set aside for it" in out.read_text(encoding="utf-8")
    out.write_text("mended by hand\n")
    assert main(["convert", "dpo.yml", "--out", str(out)]) == 2
    assert "the file is there already; nothing is written over" in capsys.readouterr().err


@pytest.mark.parametrize("example", ["axolotl/chat.yml", "llama_factory/dpo.yaml"])
def test_the_experiment_passes_the_check(
    example: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted(files, example, monkeypatch, tmp_path / "e.yaml")
    assert main(["check", str(tmp_path / "e.yaml")]) == 0
