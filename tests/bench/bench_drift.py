"""How far fine-tunes of the embedded model move on neutral text, beside what they forget.

    python tests/bench/bench_drift.py [--out drift.md] [--work FOLDER]

One process, one seed; agreements are means over passages with 95 % intervals. Set HF_HUB_OFFLINE=1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from bench_training import ARMS, MODEL, difference, examined, lessons, shown

from harness.models.hf.drift import divergences, expectations
from harness.models.hf.loading import quiet
from harness.models.hf.model import HFModel
from harness.training import train
from suites.model import ModelSpec
from suites.probes.drift import AGREEMENT, NEUTRAL, load_probe, marks

ASKED = ("full", "LoRA, EWC", "IA3", "LoRA", "full, aggressive, EWC", "full, aggressive")

LARGER = """\
The embedded model knows its own small world and no neutral text: bytes at random are more probable to it. Every
fine-tune moves it there, those that forget nothing as well. The order is telling, the limit of 0.3 is not.

SmolLM2-135M-Instruct, which knows such text, taught to route tickets; measured once by hand with the functions above:

| fine-tune | agreement | KL, nats a token | byte_probability | seconds |
|---|---|---|---|---|
| none | 1.000 | 0.000 | 0.294 | 2.8 |
| gentle: LoRA, 1 epoch, learning rate 1e-4 | 1.000 | 0.0002 | 0.294 | 3.7 |
| aggressive: all weights, 3 epochs, learning rate 5e-4 | 0.247 | 1.713 | 0.185 | 3.5 |

Seconds are of one reading of 1,405 tokens on two busy CPU cores; the base is read once more beside each.
"""


def drifted(spec: ModelSpec) -> tuple[list[float], list[float], float]:
    """Of each passage the agreement with the base and KL in nats, and the seconds that both readings took."""
    probe = load_probe(NEUTRAL, Path())
    texts = [example.input for example in probe.examples]
    base, tuned = HFModel(ModelSpec(str(MODEL))), HFModel(spec)
    for model in (base, tuned):
        model.logits([0])  # weights are read
    started = time.perf_counter()
    found = divergences(tuned, texts, expectations(base, texts))
    seconds = time.perf_counter() - started
    agreed = [marks(example, read)[AGREEMENT].value or 0.0 for example, read in zip(probe.examples, found, strict=True)]
    return agreed, [read.divergence for read in found], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("drift.md"))
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    quiet()
    work = options.work or Path(tempfile.mkdtemp())
    started = time.perf_counter()
    base = examined(ModelSpec(str(MODEL)))
    exam = time.perf_counter() - started
    lines = []
    for name in ASKED:
        place = work / name
        result = train(ModelSpec(str(MODEL)), lessons(ModelSpec(str(MODEL)), ARMS[name], None), ARMS[name], place)
        agreed, nats, seconds = drifted(result.spec)
        kept = difference(examined(result.spec), base, "general")
        lines.append(f"| {name} | {kept} | {shown(agreed)} | {sum(nats) / len(nats):.3f} | {seconds:.2f} |")
        print(lines[-1], flush=True)
    head = "| fine-tune | change of general | agreement | KL, nats a token | seconds |\n|---|---|---|---|---|\n"
    text = (
        "# How far fine-tunes move on neutral text\n\nWritten by `bench_drift.py`: the embedded model, its 20 neutral "
        f"passages, one seed. Asking the base all of its exams (2,000 answers) took {exam:.0f} seconds beside that.\n\n"
    )
    options.out.write_text(text + head + "\n".join(lines) + "\n\n" + LARGER, encoding="utf-8")


if __name__ == "__main__":
    main()
