"""What a pass keeps is counted, a step is made in passes that fit, and what is learnt is the same."""

from __future__ import annotations

import json
import math
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest
import tiny_models
import torch

from harness.config.recipe import TrainingConfig
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.loading import stop_ids
from harness.training import PairRow, RatedRow, TrainingData, TrainingResult, TrainRow, train_stage
from harness.training.memory import fit
from harness.training.memory.kept import costliest, kept_bytes, measure, untouched
from harness.training.memory.plans import AGAIN, Kept, Needs, Plan, choose
from harness.training.methods.sft import Build, Start
from harness.training.sharing.proof import share_if_equal
from suites.errors import UserError
from suites.model import ModelSpec

torch.set_num_threads(1)
POLICY = "route this ticket: refund, delivery, damaged, billing"
TEXTS = ["the box was broken", "it arrived late", "the bill is wrong", "order seven hello world", "please answer"]
LABELS = ["damaged", "delivery", "billing", "refund"]


def lesson(text: str, answer: str) -> TrainRow:
    return TrainRow([{"role": "system", "content": POLICY}, {"role": "user", "content": text}], answer, text)


ROWS = [lesson(f"{text} {number}", LABELS[number % 4]) for number in range(8) for text in TEXTS]
PAIRS = [PairRow(row.messages, row.target, "hello world") for row in ROWS]
RATED = [RatedRow(row.messages, text, text == row.target) for row in ROWS[:8] for text in (row.target, "hello")]
DATA = TrainingData(ROWS, pairs=PAIRS, rated=RATED)
QUICK = TrainingConfig(rank=4, alpha=8, epochs=1, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


def trainer_of(base: Path, config: TrainingConfig, out: Path, shared: bool = True) -> Any:
    chat = ChatTokenizer(base)
    start = Start(ModelSpec(str(base)), base, chat, stop_ids(base, chat.tokenizer.eos_token_id), 256, 256)
    build: Build = pkgutil.resolve_name(config.kind.build)
    trainer = build(start, DATA, config, out).trainer
    if shared:
        assert share_if_equal(trainer.model) == ""
    return trainer


# --- plans


def test_what_larger_passes_keep_lies_on_the_line_through_the_largest_measured() -> None:
    kept = Kept({1: 100.0, 2: 130.0, 4: 170.0}, there=40)
    assert [kept.of(n) for n in (0, 1, 2, 4, 16)] == [0, 100, 130, 170, 170 + 12 * 20]
    assert Kept({2: 60.0}, there=40).of(8) == 240
    assert Kept({}, there=40).of(1) == math.inf


def test_a_pass_has_no_more_rows_than_there_are() -> None:
    assert Kept({1: 100.0, 2: 200.0}, there=3).of(16) == 300


TEN = Kept({1: 10.0, 2: 20.0, 4: 40.0}, there=100)
NEEDS = Needs(TEN, Kept({1: 1.0, 2: 2.0, 4: 4.0}, there=100), layers=5)  # a layer of a row keeps 2
KEPT, AGAIN_WHOLE = Plan(16, 1, False), Plan(16, 1, True)


@pytest.mark.parametrize(("room", "chosen"), [(192, KEPT), (191.9, AGAIN_WHOLE), (80, AGAIN_WHOLE), (79.9, None)])
def test_a_plan_fits_up_to_its_last_byte(room: float, chosen: Plan | None) -> None:
    assert choose(NEEDS, [KEPT, AGAIN_WHOLE], room) == chosen


def test_smaller_passes_are_taken_where_they_are_less_work_than_computing_again() -> None:
    halves = Plan(8, 2, False)
    assert choose(NEEDS, [AGAIN_WHOLE, halves], 96) == halves  # nothing is read twice here
    sharing = Kept({1: 70.0, 2: 75.0, 4: 85.0}, there=100)  # 65 that rows have in common, and 5 each
    again = Needs(sharing, NEEDS.again, layers=5)
    assert 2 * sharing.of(8) > AGAIN * sharing.of(16)
    assert choose(again, [AGAIN_WHOLE, halves], again.of(halves)) == AGAIN_WHOLE


def test_rows_that_are_only_looked_at_must_fit_too() -> None:
    assert Needs(TEN, NEEDS.again, layers=5, looked_at=16).of(Plan(1, 16, True)) == 160 / 5


# --- what is counted


@pytest.mark.parametrize("method", ["lora", "dpo", "kto", "reward"])
def test_what_is_counted_is_what_autograd_keeps_and_logits_are_not_among_it(
    method: str, base: Path, tmp_path: Path
) -> None:
    trainer = trainer_of(base, QUICK.changed(method=method, batch_size=4), tmp_path)
    words = trainer.model.get_input_embeddings().num_embeddings
    weights = {parameter.data_ptr() for parameter in trainer.model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
            assert words not in tensor.shape
        return tensor

    rows = costliest(trainer.train_dataset, 4)
    with untouched(trainer):
        counted = kept_bytes(trainer, rows)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = trainer.compute_loss(trainer.model, trainer._prepare_inputs(trainer.data_collator(rows)))
    assert loss.requires_grad
    assert counted == sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "shared"])
@pytest.mark.parametrize("method", ["lora", "dpo"])
def test_sixteen_rows_keep_what_one_two_and_four_say(method: str, shared: bool, base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, QUICK.changed(method=method), tmp_path, shared)
    rows, there = costliest(trainer.train_dataset, 16), len(trainer.train_dataset)
    with untouched(trainer):
        needs = measure(trainer, rows, there)
        sixteen = kept_bytes(trainer, rows)
    assert 0.9 * sixteen <= needs.plain.of(16) <= 1.1 * sixteen
    assert needs.again.of(16) < needs.plain.of(16) / 3


def test_counting_leaves_the_trainer_as_it_was(base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(base, QUICK.changed(dropout=0.5), tmp_path)
    before, rows = torch.get_rng_state(), costliest(trainer.train_dataset, 4)
    with untouched(trainer):
        assert measure(trainer, rows, 40) == measure(trainer, rows, 40)
    assert torch.equal(torch.get_rng_state(), before)
    assert not trainer._metrics["train"]
    assert trainer._total_train_tokens == 0
    assert not any(getattr(module, "gradient_checkpointing", False) for module in trainer.model.modules())


def test_costly_rows_are_long_and_have_little_in_common() -> None:
    same, other = list(range(50)), list(range(100, 130))
    rows = [[*same, 1], [*same, 2, 3], other, [*same, 4], [5]]
    taken = costliest(datasets.Dataset.from_dict({"input_ids": rows}), 3)
    assert [row["input_ids"] for row in taken] == [rows[1], other, rows[0]]


# --- what is free


def test_a_container_has_what_its_limit_leaves_and_the_pages_of_files_it_can_give_up(tmp_path: Path) -> None:
    files = {"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 500\ninactive_file 150\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert fit._container(tmp_path) == [450]
    (tmp_path / "memory.max").write_text("max\n")
    assert fit._container(tmp_path) == []
    assert fit._container(tmp_path / "none") == []


# --- plans of trainings


AUTO = QUICK.changed(batch_size="auto")


@pytest.fixture(scope="module")
def trainer(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One that was not started."""
    return trainer_of(base, AUTO, tmp_path_factory.mktemp("trainer"))


@pytest.fixture(scope="module")
def needs(trainer: Any) -> Needs:
    with untouched(trainer):
        return measure(trainer, costliest(trainer.train_dataset, 4), len(trainer.train_dataset))


PlanFor = Callable[..., Plan | None]


@pytest.fixture
def plan(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> PlanFor:
    """The plan where so many bytes are free beside weights and optimiser."""

    def plan(free: float, config: TrainingConfig = AUTO, before: Plan | None = None) -> Plan | None:
        monkeypatch.setattr(fit, "free", lambda _: free + fit._state(trainer))
        return fit.plan(trainer, config, before)

    return plan


def test_a_reserve_of_the_free_memory_is_left_where_it_can_be(plan: PlanFor, needs: Needs) -> None:
    whole = needs.of(Plan(16, 1, False)) / (1 - fit.RESERVE)
    assert plan(1e12) == plan(whole + 1) == Plan(16, 1, False)
    less = plan(whole - 1)
    assert less
    assert (less.rows * less.passes, less != Plan(16, 1, False)) == (16, True)


def test_rows_of_a_number_that_was_named_are_not_split_but_computed_again(
    plan: PlanFor, needs: Needs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(needs.of(Plan(16, 1, True)) / (1 - fit.RESERVE) + 1, QUICK) == Plan(16, 1, True)
    assert not capsys.readouterr().err
    assert plan(needs.of(Plan(8, 2, True)), QUICK) == Plan(16, 1, True)
    assert "`batch_size: auto` makes it in smaller ones" in capsys.readouterr().err
    kept = QUICK.changed(gradient_checkpointing=False)
    assert plan(needs.of(Plan(1, 16, False)), kept) == Plan(16, 1, False)


def test_what_not_one_row_fits_into_is_refused_before_training(plan: PlanFor, needs: Needs) -> None:
    least = needs.of(Plan(1, 16, True))
    assert plan(least) == Plan(1, 16, True)
    for config in (AUTO, QUICK):
        with pytest.raises(UserError, match="not one row can be learnt from"):
            plan(least - 1, config)


def test_a_plan_that_was_begun_is_kept_while_it_fits(plan: PlanFor, needs: Needs) -> None:
    begun = Plan(4, 4, False)
    assert plan(1e12, before=begun) == begun
    assert plan(needs.of(begun), before=begun) == begun
    assert plan(needs.of(begun) - 1, before=begun) != begun
    assert plan(1e12, QUICK, before=begun) == Plan(16, 1, False)  # not asked for any more


def train(base: Path, out: Path, config: TrainingConfig, on_log: Any = None) -> TrainingResult:
    return train_stage(ModelSpec(str(base)), DATA, config, out, on_log)


def limit(monkeypatch: pytest.MonkeyPatch, fitting: Plan) -> None:
    """Let no more be free than `fitting` takes, whatever the training."""

    def free(trainer: Any) -> float:
        with untouched(trainer):
            rows = costliest(trainer.train_dataset, 4)
            least = measure(trainer, rows, len(trainer.train_dataset), fitting.checkpointing).of(fitting)
            return math.ceil(least / (1 - fit.RESERVE)) + 1 + fit._state(trainer)

    monkeypatch.setattr(fit, "free", free)


@pytest.mark.parametrize("method", ["lora", "dpo", "reward"])
def test_a_step_in_several_passes_is_the_step(
    method: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 rows: the last of three steps has 8, which passes of 3 do not divide."""
    config = QUICK.changed(method=method, learning_rate=1e-3, batch_size=15)
    whole = train(base, tmp_path / "whole", config)
    monkeypatch.setattr("harness.config.recipe.ROWS", 15)
    limit(monkeypatch, Plan(3, 5, False))
    config = config.changed(batch_size="auto", gradient_checkpointing=False)
    split = train(base, tmp_path / "split", config)
    assert "15 rows are learnt from in 5 passes of 3, activations kept" in split.planned[method]
    assert split.planned[method] in capsys.readouterr().err
    assert (split.steps, split.train_rows) == (whole.steps, whole.train_rows) == (3, 40)
    assert not (tmp_path / "split" / "harness_plan.json").exists()
    for name in ("loss", "grad_norm", "learning_rate"):
        one, other = ([value for _, key, value in each.loss_curve if key == name] for each in (whole, split))
        assert other == pytest.approx(one, abs=1e-6, rel=1e-5), name


def test_activations_computed_again_change_nothing(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = QUICK.changed(dropout=0.2)
    kept = train(base, tmp_path / "kept", config)
    limit(monkeypatch, Plan(16, 1, True))
    again = train(base, tmp_path / "again", config)
    sentence = "16 rows are learnt from in one pass, activations computed again for the backward pass"
    assert again.planned == {"lora": sentence}
    assert not kept.planned
    losses = [[value for _, key, value in each.loss_curve if key == "loss"] for each in (kept, again)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)


def test_a_training_goes_on_where_other_memory_is_free(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = AUTO.changed(epochs=2, evaluate_every=2, learning_rate=1e-3, gradient_checkpointing=True)
    whole = train(base, tmp_path / "whole", config)

    def stop(step: int, total: int, logs: Mapping[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "out", config, stop)
    assert json.loads((tmp_path / "out.partial" / "harness_plan.json").read_text())["passes"] == 1
    limit(monkeypatch, Plan(2, 8, True))
    seen: list[int] = []
    result = train(base, tmp_path / "out", config, lambda step, *_: seen.append(step))
    assert seen[0] == 3
    assert "passes of 2," in result.planned["lora"]
    assert "going on from step 2 of 6" in capsys.readouterr().err
    losses = [[value for _, key, value in each.loss_curve if key == "loss"] for each in (whole, result)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)


@pytest.mark.parametrize("how", ["cpu", "gpu"])
def test_memory_that_runs_out_all_the_same_names_what_helps(how: str, base: Path, tmp_path: Path) -> None:
    def run_out(step: int, total: int, logs: Mapping[str, float]) -> None:
        if how == "gpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        torch.empty(2**55)

    with pytest.raises(UserError, match="no memory left") as told:
        train(base, tmp_path / "out", QUICK, run_out)
    assert "`batch_size: auto`, `gradient_checkpointing: true`, shorter rows or a smaller model" in told.value.fix


# --- settings


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "8", "autom", None, 1_000_001])
def test_a_batch_size_is_a_number_of_rows_or_auto(size: object) -> None:
    with pytest.raises(ValueError, match=r"is a whole number from 1 to 1,000,000, or `auto`, (not|and is empty)"):
        TrainingConfig.model_validate({"batch_size": size})


@pytest.mark.parametrize("method", ["kto", "rloo", "grpo"])
def test_what_is_looked_at_together_is_not_split(method: str) -> None:
    with pytest.raises(ValueError, match="`batch_size: auto` splits what"):
        TrainingConfig.model_validate({"method": method, "batch_size": "auto"})


def test_layers_with_a_prefix_compute_nothing_again() -> None:
    with pytest.raises(ValueError, match="`gradient_checkpointing` does not go with prefix tuning"):
        TrainingConfig.model_validate({"method": "prefix_tuning", "gradient_checkpointing": True})


@pytest.mark.parametrize(
    ("method", "least"), [("prefix_tuning", Plan(1, 16, False)), ("prompt_tuning", Plan(1, 16, True))]
)
def test_virtual_tokens_are_planned_with_the_rows(
    method: str, least: Plan, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(base, AUTO.changed(method=method, virtual_tokens=4), tmp_path, shared=False)
    limit(monkeypatch, least)
    assert fit.plan(trainer, AUTO.changed(method=method)) == least


class OfTwo:
    """What a training's process knows of another one, which can take passes of four and has to compute again."""

    num_processes, device = 2, "cpu"

    def gather(self, mine: torch.Tensor) -> torch.Tensor:
        return torch.cat([mine, torch.tensor([[4, 8, 1]])])


@pytest.mark.parametrize(
    ("mine", "both"), [(Plan(8, 1, False), Plan(4, 2, True)), (Plan(2, 4, False), Plan(2, 4, True)), (None, None)]
)
def test_processes_keep_to_what_all_of_them_can(mine: Plan | None, both: Plan | None) -> None:
    assert fit._agreed(SimpleNamespace(accelerator=OfTwo()), mine) == both


def test_a_training_is_known_by_auto_and_not_by_what_was_planned() -> None:
    assert AUTO.model_dump()["batch_size"] == "auto"
    assert (AUTO.rows, QUICK.changed(batch_size=3).rows) == (16, 3)
    assert "gradient_checkpointing" not in QUICK.model_dump()  # so that no training of before gets another id
    assert QUICK.changed(gradient_checkpointing=True).model_dump()["gradient_checkpointing"] is True
