"""How far prompting goes, arm by arm, and what choosing among arms costs; writes a part of bar.md each time.

    python tests/bench/bench_bar.py [choice [--experiments 2000]]
    python tests/bench/bench_bar.py embedded
    python tests/bench/bench_bar.py banking77 --model FOLDER --data FOLDER [--intents 12] [--rows 60] [--encoder FOLDER]

`--arms NAME ...` measures some arms anew and leaves the other rows of the part.

`banking77`: an instruct model (such as SmolLM2-135M-Instruct) is asked `--rows` questions of the first intents by name,
in every way; `--data` has train.csv and test.csv with the columns text and category. `embedded`: the model that ships
routes the demo's messages. "copied" asks no model: the answer of the nearest training row (BM25). Processor seconds are
of all threads; the clock's are of a machine with other work.

`choice`: the prompts' true scores differ by a standard deviation of 3 points around 65 %. The best on 50 validation
rows is chosen, all take a test of 800. An example's difficulty is shared by all: an answer is right where a normal
variable, correlated by 0.6 between any two arms, lies below the quantile of the arm's true score. "Chosen alone" asks
for a gain over the chosen prompt; "every prompt" asks beside it to be better than each of the others, as the decision
does.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_shots import put
from scipy.special import ndtri

from baselines.arm import Asking, Prompter
from baselines.prompters.chain_of_thought import chain_of_thought
from baselines.prompters.few_shot import FewShot, build, label
from baselines.prompters.labels import with_labels
from baselines.prompters.types import Given
from harness.experiment.specs import EMBEDDED
from harness.models.hf.model import HFModel
from harness.stats import paired
from suites.answers import AnswerRule
from suites.metrics import table
from suites.model import Completion, Constraint, Generation, ModelSpec
from suites.similarity.encoder import Encoder
from suites.types import Example

Array = npt.NDArray[np.float64]

RESULT = Path(__file__).with_name("bar.md")
HEAD = "# The bar\n\nWritten by `bench_bar.py`, part by part.\n"
COLUMNS = "| arm | score | tokens in / out | processor s an answer | s an answer by the clock |\n|---|---|---|---|---|"
TASK = "Name the intent of the customer's question. Answer with the label alone."
LAST_LINE = AnswerRule("last_line")
THINKING = 96
"""Tokens for reasoning."""

MIN_GAIN, CONFIDENCE = 0.02, 0.95
LEVEL, SPREAD, SHARED = 0.65, 0.03, 0.6
VALIDATION, TEST = 50, 800
PROMPTS, GAINS = (1, 4, 20), (0.0, 0.06, 0.08)


@dataclass(frozen=True, slots=True)
class Exam:
    """Rows to show, rows to ask, and how answers are found and marked."""

    train: Sequence[Example]
    test: Sequence[Example]
    metric: str
    max_new_tokens: int
    answer: AnswerRule | None = None

    def scores(self, said: Sequence[Completion]) -> list[float]:
        mark = table.build(self.metric)
        read = self.answer.read_all(said) if self.answer else said
        return [mark(row.read(self.answer), each).value or 0.0 for row, each in zip(self.test, read, strict=True)]

    def score(self, said: Sequence[Completion]) -> str:
        """The mean with its interval."""
        scores = self.scores(said)
        interval = paired.mean_interval(scores, [row.cluster for row in self.test], 0.95)
        within = f" [{interval.low:.1%}, {interval.high:.1%}]" if interval else ""
        return f"{sum(scores) / len(scores):.1%}{within}"


def row(model: HFModel, prompter: Prompter, exam: Exam) -> str:
    """What an arm costs and scores."""
    asked = prompter.asking.generation(Generation(max_new_tokens=exam.max_new_tokens))
    wall, processor, n = time.perf_counter(), time.process_time(), len(exam.test)
    said = model.generate(prompter.prompts(exam.test), asked)
    took = (time.process_time() - processor) / n, (time.perf_counter() - wall) / n
    tokens = sum(each.tokens_in for each in said) / n, sum(each.tokens_out for each in said) / n
    exam = exam if prompter.asking.thinking_tokens else replace(exam, answer=None)
    return f"{exam.score(said)} | {tokens[0]:,.0f} / {tokens[1]:.1f} | {took[0]:.3f} | {took[1]:.2f}"


def copied(exam: Exam) -> str:
    """What copying the answer of the nearest row scores."""
    started = time.process_time()
    prompts = _shots("", exam, choose="nearest", shots=1).prompts(exam.test)
    took = (time.process_time() - started) / len(prompts)
    said = [Completion(str(prompt.messages[1]["content"])) for prompt in prompts]  # type: ignore[index]
    return f"{replace(exam, answer=None).score(said)} | 0 / 0.0 | {took:.3f} | {took:.2f}"


def _shots(template: str, exam: Exam, **settings: object) -> Prompter:
    few = FewShot.model_validate(settings)
    return build(few, Given(label(few), template, exam.train, encoder=lambda name: Encoder(Path(name))))


def _held(prompter: Prompter, constraint: Constraint) -> Prompter:
    return replace(prompter, name=f"{prompter.name} constrained", asking=Asking(constraint=constraint))


Arms = dict[str, Callable[[], str]]


def banking_arms(options: argparse.Namespace) -> tuple[str, Arms]:
    """The title of the part, and its arms by name."""
    exam, names = banking(options)
    model = HFModel(ModelSpec(base=str(options.model)))
    listed = with_labels("labels", TASK, names)
    held = Constraint("choice", json.dumps(names))
    thinking = chain_of_thought("chain of thought", listed.template, LAST_LINE)
    prompters = [
        Prompter("zero-shot", TASK),
        listed,
        replace(thinking, asking=Asking(thinking_tokens=THINKING)),
        _held(Prompter("zero-shot", TASK), held),
        _held(listed, held),
    ]
    shown = [_shots(listed.template, exam, choose=way, shots=8) for way in ("random", "balanced", "diverse", "nearest")]
    prompters += [*shown, *(_held(each, held) for each in shown[1::2])]
    if options.encoder:
        found = {"choose": "nearest", "encoder": str(options.encoder)}
        prompters.append(_shots(listed.template, exam, shots=8, **found))
    arms: Arms = {"copied, no model": lambda: copied(exam)}
    arms |= {each.name: lambda each=each: row(model, each, exam) for each in prompters}  # type: ignore[misc]
    title = f"{options.model.name}, banking77, {len(names)} intents, {len(exam.test)} questions"
    return title, arms


def banking(options: argparse.Namespace) -> tuple[Exam, list[str]]:
    """The rows of the first intents by name."""
    train, test = (read(options.data / f"{name}.csv") for name in ("train", "test"))
    names = sorted({each.target for each in train})[: options.intents]
    train, test = ([each for each in rows if each.target in names] for rows in (train, test))
    test = random.Random(0).sample(test, min(options.rows, len(test)))
    return Exam(train, test, "exact_match", 24, LAST_LINE), names


def read(file: Path) -> list[Example]:
    """The questions of a file."""
    rows = csv.DictReader(file.open(encoding="utf-8"))
    return [Example(str(i), {"input": each["text"]}, each["category"], str(i)) for i, each in enumerate(rows)]


def embedded_arms(options: argparse.Namespace) -> tuple[str, Arms]:
    """The title of the part, and its arms by name."""
    splits = {}
    for name in ("train", "test"):
        lines = map(json.loads, (EMBEDDED / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
        splits[name] = [Example(each["id"], {"input": each["input"]}, each["target"], each["id"]) for each in lines]
    exam = Exam(splits["train"], splits["test"], "exact_match", 16)
    model = HFModel(ModelSpec(base=str(EMBEDDED / "model")))
    keys = (EMBEDDED / "prompts" / "keys.md").read_text(encoding="utf-8").strip()
    values = [json.loads(each.target) for each in exam.train]
    properties = {name: {"enum": sorted({value[name] for value in values})} for name in ("team", "priority")}
    schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    held = Constraint("json_schema", json.dumps(schema))
    thinking = chain_of_thought("chain of thought", keys, AnswerRule("json"))
    shown = [
        _shots(keys, exam, choose=way, shots=n) for n in (4, 8) for way in ("random", "balanced", "diverse", "nearest")
    ]
    prompters = [
        Prompter("zero-shot", ""),
        Prompter("zero-shot keys", keys),
        _held(Prompter("zero-shot keys", keys), held),
        replace(thinking, asking=Asking(thinking_tokens=32)),
        *shown,
        _held(shown[1], held),
    ]
    model.generate(prompters[0].prompts(exam.test[:8]), Generation(8))
    of_json = replace(exam, answer=AnswerRule("json"))
    arms: Arms = {"copied, no model": lambda: copied(exam)}
    arms |= {each.name: lambda each=each: row(model, each, of_json) for each in prompters}  # type: ignore[misc]
    return f"The embedded model, the demo's {len(exam.test)} test messages", arms


def measure(title: str, arms: Arms, only: Sequence[str]) -> None:
    """The rows of a part, those that stood there kept; each is written as soon as it is there."""
    before = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
    _, _, part = before.partition(f"\n## {title}\n")
    lines = [line for line in part.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    rows = {line.split(" | ")[0][2:]: line for line in lines}
    for name in only or arms:
        rows[name] = f"| {name} | {arms[name]()} |"
        ordered = [rows[each] for each in arms if each in rows]
        put(title, "\n".join([COLUMNS, *ordered]), RESULT, HEAD)


def answers(rng: np.random.Generator, scores: Array, n: int) -> Array:
    """0/1 marks [arms, n] of arms with these true scores."""
    difficulty = np.sqrt(SHARED) * rng.standard_normal(n)
    own = np.sqrt(1 - SHARED) * rng.standard_normal((len(scores), n))
    return (difficulty + own < ndtri(scores)[:, None]).astype(np.float64)


def deploys(rng: np.random.Generator, prompts: int, gain: float) -> tuple[bool, bool]:
    """Whether a candidate truly `gain` above the best prompt is deployed: by the chosen prompt alone, by all."""
    scores = np.clip(rng.normal(LEVEL, SPREAD, prompts), 0.05, 0.9)
    scores = np.append(scores, scores.max() + gain)
    chosen = int(answers(rng, scores[:-1], VALIDATION).mean(axis=1).argmax())
    *bar, candidate = answers(rng, scores, TEST)
    if not above(bar[chosen], candidate, MIN_GAIN):
        return False, False
    return True, all(above(other, candidate, 0.0) for i, other in enumerate(bar) if i != chosen)


def above(prompt: Array, candidate: Array, limit: float) -> bool:
    """Whether the lower end of the difference's interval is above the limit."""
    interval = paired.paired_difference(prompt, candidate, confidence=CONFIDENCE).interval
    return interval is not None and interval.low > limit


def choice(experiments: int, seed: int) -> None:
    """How often a candidate no better than the best of several prompts is deployed, and one that is better."""
    lines = []
    for gain in GAINS:
        for prompts in PROMPTS:
            rng = np.random.default_rng(seed)
            alone, every = np.mean([deploys(rng, prompts, gain) for _ in range(experiments)], axis=0)
            lines.append(f"| {gain:+.2f} | {prompts} | {alone:.1%} | {every:.1%} |")
    text = (
        f"`choice --experiments {experiments}`. Prompts differ by a standard deviation of {SPREAD * 100:g} points; "
        f"{VALIDATION} validation rows choose one, {TEST} test rows decide; min_gain {MIN_GAIN:+.2f}, confidence "
        f"{CONFIDENCE:.0%}. A candidate that is no better than the best prompt should be deployed in 2.5 % at most.\n\n"
        "| candidate above the best prompt | prompts | deployed, chosen prompt alone | deployed, every prompt |\n"
        "|---|---|---|---|\n" + "\n".join(lines)
    )
    put("Choosing among prompts, simulated", text, RESULT, HEAD)


def main() -> None:
    """Measure one part, and put it into the file in the place of what stood there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["choice", "embedded", "banking77"], nargs="?", default="choice")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--intents", type=int, default=12)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--arms", nargs="*", default=[])
    parser.add_argument("--experiments", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.part == "choice":
        choice(options.experiments, options.seed)
        return
    title, arms = {"embedded": embedded_arms, "banking77": banking_arms}[options.part](options)
    measure(title, arms, options.arms)


if __name__ == "__main__":
    main()
