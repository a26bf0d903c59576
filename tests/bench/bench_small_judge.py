"""Whether a small instruct model may judge; appends its part to small_judge.md beside it.

    python tests/bench/bench_small_judge.py MODEL [--pairs 60] [--read text]

MODEL is a folder or Hub id, such as SmolLM2-135M-Instruct. Pairs are questions of the suite `reading` with the right
answer and another name or number of the same text, whose labels nobody has to be asked for; half show the right one
first, so that there is no taste for length in them. Checks, traps and standing are those of the product.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from harness.config.policy import Policy
from harness.judge import audit, calibration, traps, trust
from harness.judge.ask import Label
from harness.judge.judges import Asked, judged
from harness.models import load
from harness.store.judging import Measure
from reports.format.text import table
from suites.judges.pairwise import Pair, load_rubric
from suites.model import Generation, ModelSpec
from suites.types import Score

READING = Path(__file__).parents[2] / "suites/builtin/reading/examples.jsonl"
OUT = Path(__file__).with_suffix("").parent / "small_judge.md"
SHOWN = ("agreement", "kappa", "slope", "consistency", "first_slot", "readable", "canaries")


def labelled(most: int) -> list[tuple[Pair, Label]]:
    """Questions whose wrong answer the text holds as well, one of each text."""
    rows = [json.loads(line) for line in READING.read_text(encoding="utf-8").splitlines()]
    found: dict[str, tuple[Pair, Label]] = {}
    for row in rows:
        wrong = row["target"].get("leaves_out") if isinstance(row["target"], dict) else None
        if wrong and row["cluster"] not in found and len(found) < most:
            texts = (row["answer"], wrong[0])
            right = "first" if len(found) % 2 == 0 else "second"
            first, second = texts if right == "first" else texts[::-1]
            label = Label("first" if right == "first" else "second", row["cluster"])
            found[row["cluster"]] = (Pair(row["id"], row["input"], first, second), label)
    return list(found.values())


def measured(judge: Asked, rows: list[tuple[Pair, Label]]) -> dict[str, Measure]:
    """What the product measures, with the labelled pairs as the exam as well."""
    pairs, labels = [pair for pair, _ in rows], [label for _, label in rows]
    said = judged(judge, pairs, "labelled pairs")
    marks = [
        {pair.id: Score(float(label.choice == side)) for pair, label in rows} for side in ("second", "first")
    ]  # fmt: skip
    found = calibration.calibration_measures(said, labels, 0.95) + audit.exam_measures(said, marks[0], marks[1], 0.95)
    good = traps.best_answers(pairs, marks[0], marks[1])
    return {one.name: one for one in [*found, *traps.canary_measures(judge, good, 0, 0.95)]}


def cells(measure: Measure) -> list[str]:
    """One row of the table."""
    if measure.value is None:
        return [measure.name, "nothing to measure", str(measure.n)]
    ends = "" if measure.low is None else f" [{measure.low:.2f}, {measure.high:.2f}]"
    return [measure.name, f"{measure.value:.2f}{ends}", str(measure.n)]


def main() -> None:
    """Measure one model in one way of reading."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--read", choices=["text", "held", "probability"], default="text")
    args = parser.parse_args()
    rubric = load_rubric("helpful", Path())
    judge = Asked(load(ModelSpec(base=args.model)), rubric, Generation(max_new_tokens=80), args.read)
    rows = labelled(args.pairs)
    measures = measured(judge, rows)
    trusted = trust.trust(measures, Policy())
    name = Path(args.model).name
    lines = [f"## {name}, {len(rows)} pairs, `read: {args.read}`", ""]
    lines += [f"**{trusted.standing}**" + (f": {trusted.reason}" if trusted.reason else ""), ""]
    lines += [table(["measured", "value", "n"], [cells(measures[each]) for each in SHOWN]), ""]
    kinds = [measures[each] for each in measures if each.startswith(traps.CANARY)]
    lines += [table(["fell for", "share", "n"], [cells(each) for each in kinds]), ""]
    head = "" if OUT.exists() else "# May a small model judge?\n\nWritten by `bench_small_judge.py`.\n\n"
    with OUT.open("a", encoding="utf-8") as file:
        file.write(head + "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
