"""Base and candidate read neutral text: what each expects at every token, compared and marked passage by passage."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.observe.progress import phase
from harness.store import runs
from harness.store.database import Store
from harness.store.runs import Marked
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.model import Completion, Generation, Model
from suites.probes.drift import AGREEMENT, PROBABILITY, DriftProbe, Read, marks
from suites.types import Run

if TYPE_CHECKING:
    from harness.models.hf.drift import Expectation

READER = "drift"


def read_base(model: Model, probe: DriftProbe) -> list[Expectation]:
    """What a base expects at every token of the passages. Raises UserError for a model whose weights are not here."""
    from harness.models.hf.drift import expectations
    from harness.models.hf.model import HFModel

    if not isinstance(model, HFModel):
        what = "drift cannot be known: it is read off the weights of base and candidate, in this process"
        raise UserError(what, model.identity.name, "leave `drift` out of `regression`, or examine the weights here")
    return expectations(model, [example.input for example in probe.examples])


def drift_run(arm: str, probe: DriftProbe, model: Model, base: Model) -> Run:
    """The run of a model on the passages, known by both models and the passages."""
    own, origin = (
        {key: value for key, value in asdict(each.identity).items() if key != "name"} for each in (model, base)
    )
    run_id = sha256_json([probe.digest, READER, own, origin])
    return Run(run_id, arm, probe.name, probe.digest, (AGREEMENT, PROBABILITY), model.identity, Generation())


def evaluate_drift(run: Run, probe: DriftProbe, expected: Sequence[Expectation], model: Model, store: Store) -> None:
    """Read the passages with the model of a run, mark how far it is from what its base `expected`, and store."""
    from harness.models.hf.drift import divergences
    from harness.models.hf.model import HFModel

    if not isinstance(model, HFModel):
        what = "drift cannot be known: it is read off the weights of base and candidate, in this process"
        raise UserError(what, model.identity.name, "leave `drift` out of `regression`, or examine the weights here")
    started = time.monotonic()
    texts = [example.input for example in probe.examples]
    with phase(f"{run.arm} on {probe.name}", len(texts)) as progress:
        found = divergences(model, texts, expected)
        progress.at(len(found), len(found))
    seconds = time.monotonic() - started
    marked = [
        Marked(example, sha256_json([run.id, example.id]), said(read, seconds / len(found)), marks(example, read))
        for example, read in zip(probe.examples, found, strict=True)
    ]
    runs.record(store, run, "regression", READER, marked, seconds)


def said(read: Read, seconds: float) -> Completion:
    """What was read of a passage, in words."""
    perplexity = math.exp(min(-read.logprob / read.tokens, 700.0))
    text = f"{read.divergence:.4g} nats a token from the base, perplexity {perplexity:.4g}"
    return Completion(text, tokens_in=read.tokens, seconds=seconds)
