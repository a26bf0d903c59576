"""Looks on while a model trains: keeps the curves, asks the probes, tells the alarms, judges which step was best."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import accelerate
import torch
import transformers

from harness.training.loop import checkpoints, monitors
from harness.training.types import OnLog, Probe, TrainRow
from suites.model import Completion, Prompt
from suites.text.files import read_rows

CURVES = (
    "loss", "eval_loss", "grad_norm", "learning_rate",
    "rewards/accuracies", "eval_rewards/accuracies", "accuracy", "eval_accuracy", "reward", "kl",
)  # fmt: skip
JUDGED = "eval_judged"
NOTES = "harness_watch.json"

Ask = Callable[[Any, Sequence[Prompt], int], list[Completion]]
"""The answers of the model as it stands: (model, prompts, most new tokens)."""


class Watch(transformers.TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """What one training run showed so far. What is kept beside each checkpoint, so that a resumed run knows it too."""

    def __init__(
        self, ask: Ask, probes: Sequence[Probe], lessons: Sequence[TrainRow], patience: int, report: OnLog | None
    ) -> None:
        self.curve: list[tuple[int, str, float]] = []
        self.remarks: dict[str, str] = {}
        self.stopped = False
        self._ask, self._probes, self._patience, self._report = ask, probes, patience, report
        self._lessons = [row.target for row in lessons]
        self._before: dict[str, list[float | None]] = {}
        self._earlier_seconds, self._started = 0.0, time.perf_counter()
        self._tokens, self._logged = 0.0, self._started

    @property
    def seconds(self) -> float:
        """Seconds of training, those before an interruption included as far as their work was kept."""
        return self._earlier_seconds + time.perf_counter() - self._started

    def resume(self, checkpoint: Path) -> None:
        """Know again what was known when the checkpoint was saved."""
        notes = json.loads(read_rows(checkpoint / NOTES))
        self.curve = [(int(step), str(name), float(value)) for step, name, value in notes["curve"]]
        self.remarks, self.stopped, self._before = notes["remarks"], notes["stopped"], notes["before"]
        self._earlier_seconds = notes["seconds"]

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: object) -> None:
        self._logged = time.perf_counter()
        if not self._before and args.eval_strategy != "no":
            values: dict[str, float] = {}
            for probe in self._probes:
                self._before[probe.name], _answers = self._marked(probe, model)
                values |= self._score(probe, self._before[probe.name])
            self._keep(state, values)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: object) -> None:
        values = {name: float(logs[name]) for name in CURVES if name in logs}
        monitors.check_finite(state.global_step, state.max_steps, values)
        if "loss" in logs:
            values |= self._pace(logs)
        self._keep(state, values)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], model: Any = None, **_: object
    ) -> None:
        """Marks the probes; what `metrics` gets under `JUDGED` is what the trainer chooses its best checkpoint by."""
        score: float | None = None
        for probe in self._probes:
            marks, answers = self._marked(probe, model)
            values = self._score(probe, marks)
            self._keep(state, values)
            if probe.margin is None:
                score = values.get("score")
                self._remark("mode collapse", state, monitors.collapse(answers, probe.targets))
                self._remark("memorisation", state, self._copied(probe, answers))
            else:
                self._remark(f"forgetting {probe.name}", state, self._forgotten(probe, marks, args, state))
        metrics[JUDGED] = monitors.judged(score, metrics["eval_loss"])
        sign = monitors.overfitting(self.curve, self._patience)
        if sign and self._evaluations_since_best(state, metrics[JUDGED]) >= self._patience:
            self._remark("overfitting", state, f"{sign}; stopped")
            self.stopped = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: object) -> None:
        accelerate.PartialState().wait_for_everyone()  # each process has a file of its own in there
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            known = {"curve": self.curve, "remarks": self.remarks, "stopped": self.stopped, "before": self._before}
            text = json.dumps({**known, "seconds": self.seconds}, allow_nan=False)
            (folder / NOTES).write_text(text, encoding="utf-8")
            checkpoints.seal(folder)

    def _evaluations_since_best(self, state: Any, judged: float) -> int:
        """Loss may rise while answers still get better (overconfidence), so what the task asks for is looked at too."""
        if state.best_metric is None or judged > state.best_metric:
            return 0
        return sum(name == "eval_loss" and step > (state.best_global_step or 0) for step, name, _ in self.curve)

    def _marked(self, probe: Probe, model: Any) -> tuple[list[float | None], list[str]]:
        answers = self._ask(model, probe.prompts, probe.max_new_tokens)
        return probe.mark(answers), [answer.text for answer in answers]

    def _score(self, probe: Probe, marks: Sequence[float | None]) -> dict[str, float]:
        marked = [mark for mark in marks if mark is not None]
        name = "score" if probe.margin is None else f"probe {probe.name}"
        return {name: sum(marked) / len(marked)} if marked else {}

    def _copied(self, probe: Probe, answers: Sequence[str]) -> str | None:
        known = [f"{prompt.messages} {target}" for prompt, target in zip(probe.prompts, probe.targets, strict=True)]
        return monitors.copying(monitors.memorised(answers, known, self._lessons), len(answers))

    def _forgotten(self, probe: Probe, marks: list[float | None], args: Any, state: Any) -> str | None:
        before = self._before.get(probe.name)
        if before is None or probe.margin is None:
            return None
        looks = state.max_steps / state.eval_steps if args.eval_steps else state.num_train_epochs
        return monitors.forgetting(probe.name, before, marks, probe.margin, max(1, round(looks)))

    def _remark(self, alarm: str, state: Any, sentence: str | None) -> None:
        """What the last evaluation shows counts; an alarm that is over is not told."""
        self.remarks.pop(alarm, None)
        if sentence:
            self.remarks[alarm] = f"{sentence} (step {state.global_step} of {state.max_steps})"

    def _pace(self, logs: dict[str, float]) -> dict[str, float]:
        """Tokens a second since the last log, and the most memory taken so far, in GB."""
        now, values = time.perf_counter(), {"memory_gb": _peak_memory() / 1e9}
        if logs.get("num_tokens", 0) > self._tokens:
            values["tokens_per_second"] = (logs["num_tokens"] - self._tokens) / (now - self._logged)
            self._tokens = logs["num_tokens"]
        self._logged = now
        return values

    def _keep(self, state: Any, values: dict[str, float]) -> None:
        self.curve += [(state.global_step, name, value) for name, value in values.items()]
        if self._report and values:
            self._report(state.global_step, state.max_steps, values)


def _peak_memory() -> int:
    """Bytes: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
