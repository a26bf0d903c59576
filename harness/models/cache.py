"""Answers only what is not yet on record: completions are keyed by what produced them, never by a name."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

from harness.store import Store, completion_row
from suites.types import Completion, Generation, Model, Prompt


def completion_id(model: Model, rendered: str, generation: Generation) -> str:
    """sha256 of weights, adapter, template, engine, dtype, rendered prompt and generation settings."""
    identity = asdict(model.identity)
    del identity["name"]
    parts = json.dumps([identity, rendered, asdict(generation)], sort_keys=True)
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()


def answer(
    model: Model,
    prompts: Sequence[Prompt],
    generation: Generation,
    store: Store,
    on_done: Callable[[int], None],
) -> list[tuple[str, Completion]]:
    """(completion id, completion) for each prompt; asks the model only for what the store lacks.

    Every finished batch is stored at once, so an interrupted run goes on where it stopped. `on_done` receives the
    number of prompts each step finished. Errors are kept for the record and asked again next time.
    """
    rendered = [model.render(prompt) for prompt in prompts]
    ids = [completion_id(model, text, generation) for text in rendered]
    known = store.completions(ids)
    on_done(sum(key in known for key in ids))
    first = {key: index for index, key in reversed(list(enumerate(ids))) if key not in known}
    missing = sorted(first.values())
    copies = Counter(ids)

    def keep(batch: list[tuple[int, Completion]]) -> None:
        done = [(missing[position], completion) for position, completion in batch]
        rows = [completion_row(ids[index], rendered[index], completion) for index, completion in done]
        store.insert("completions", rows, replace=True)
        known.update({ids[index]: completion for index, completion in done})
        on_done(sum(copies[ids[index]] for index, _ in done))

    if missing:
        model.generate([prompts[index] for index in missing], generation, on_progress=keep)
    return [(key, known[key]) for key in ids]
