"""What is learnt from and what examines it: the rows of another trainer's file, divided, counted and put in place.

Rows that the harness reads by themselves stay in their file. Others are written anew beside the experiment: those of
several files, a part of one, turns under other keys, preferences that name their columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from harness.importers.trainers.draft import Count, Draft, Settings
from harness.importers.trainers.ledger import LEARNT
from harness.importers.trainers.sources import Source
from suites.errors import UserError
from suites.normalise import normalise
from suites.types import Json

EXAM_SHARE = 0.1  # of the training rows, where the other tool knows no exam
FEW_WORDS = 12  # of an answer that can be the same to the letter
LEARNT_PAIRS = 0.8  # the harness keeps a fifth of the pairs to check on


def finish(draft: Draft) -> None:
    """Data, baselines, epochs and warm-up of the draft's experiment. Raises UserError where nothing is learnt."""
    if not draft.train:
        raise UserError("names no data", str(draft.config), "add the training data to the file")
    count = _preferences(draft) if draft.learns_from == "preferences" else _rows(draft)
    data = draft.experiment["data"]
    if "validation" not in data and not data.get("split", {}).get("validation"):
        draft.experiment["baselines"] = ["zero_shot"]
        draft.remarks.append("no validation rows, so there is one baseline: the best of several is chosen there")
    _steps(draft, count)


# --- rows that show what to answer ----------------------------------------------------------------------------------


def _rows(draft: Draft) -> int | None:
    """Training and validation rows, in their files or written anew; how many are learnt from where that is known."""
    data: Settings = {}
    draft.experiment["data"] = data
    as_it_is = len(draft.train) == 1 and len(draft.validation) <= 1
    as_it_is = as_it_is and all(source.as_it_is for source in (*draft.train, *draft.validation))
    mapped = [source.shape.mapped for source in (*draft.train, *draft.validation)]
    if as_it_is and all(columns == mapped[0] for columns in mapped):
        data["train"] = _named(draft, draft.train[0])
        if draft.validation:
            data["validation"] = _named(draft, draft.validation[0])
        if mapped[0]:
            data["columns"] = mapped[0]
        rows = _known(draft.train[0])
        count = None if rows is None else len(rows)
    else:
        rows = [row for source in draft.train for row in source.written()]
        _write(draft, "train", rows)
        if draft.validation:
            _write(draft, "validation", _validation(draft))
        if any("input" in row and "target" in row for row in rows):
            data["columns"] = {"messages": "messages"}
        count = len(rows)
    _tell_of_answers(draft, rows)
    _tell_of_words(draft, rows or ())
    draft.remarks.append(f"there is no exam in the file: {EXAM_SHARE:.0%} of the training rows are set aside for it")
    split = {"test": EXAM_SHARE}
    if (share := _share(draft, count)) and not draft.validation:
        split["validation"] = share
    data["split"] = split
    return None if count is None else round(count * (1 - sum(split.values())))


def _named(draft: Draft, source: Source) -> str:
    return draft.path(source.files[0]) if source.here else source.hub


def _write(draft: Draft, name: str, rows: Sequence[Json]) -> None:
    file = f"{draft.out.stem}-data/{name}.jsonl"
    draft.files[file] = list(rows)
    draft.experiment["data"][name] = file


def _validation(draft: Draft) -> list[Json]:
    """The validation rows; those of a file that names no keys, and is not readable so, are read as the training's."""
    rows: list[Json] = []
    for source in draft.validation:
        try:
            rows += source.written()
        except UserError:
            rows += source.shaped(draft.train[0].shape).written()
            draft.remarks.append(
                f"{source.name} is read with the keys of {draft.train[0].name}: those of its own do not fit its rows"
            )
    return rows


def _known(source: Source) -> list[Json] | None:
    """The rows of a file that is here; None where they are not to be had, which the loader tells better."""
    if not source.here:
        return None
    try:
        return source.rows()
    except UserError:
        return None


def _tell_of_answers(draft: Draft, rows: Sequence[Json] | None) -> None:
    """Of a conversation the last answer is learnt here, and every one there."""
    if draft.learns_from == "rows" and not draft.last_answer and any(s.shape.kind == "chat" for s in draft.train):
        several = None if rows is None else sum(_answers(row) > 1 for row in rows)
        there = "the last is learnt here, and every one there, as `data: {turns: all}` has it"
        if several is None:
            draft.remarks.append(f"{LEARNT}: of several answers in a row {there}")
        elif several:
            draft.remarks.append(f"{LEARNT}: {several:,} of {len(rows or ()):,} rows have several answers; {there}")


def _tell_of_words(draft: Draft, rows: Sequence[Json]) -> None:
    """Answers in free words are marked badly by what is marked by where a file names no metric."""
    lengths = sorted(len(answer.split()) for row in rows if (answer := _answer(row)) is not None)
    middle = lengths[len(lengths) // 2] if lengths else 0
    if middle > FEW_WORDS:
        draft.remarks.append(
            f"half of the answers have {middle:,} words or more: `exact_match` suits short ones, and 64 tokens hold no "
            "long ones; see task.metrics, judge and task.max_new_tokens"
        )


def _answer(row: Json) -> str | None:
    """What a row answers, in any of the shapes that are read as they are."""
    turns = row.get("messages", row.get("conversations"))
    if isinstance(turns, list) and turns and isinstance(turns[-1], dict):
        row = turns[-1]
    given = (row.get(name) for name in ("content", "value", "output", "target", "completion", "answer", "response"))
    return next((text for text in given if isinstance(text, str)), None)


def _answers(row: Json) -> int:
    turns = row.get("messages", row.get("conversations"))
    listed = turns if isinstance(turns, list) else []
    roles = (
        turn.get("role", turn.get("from")) for turn in listed if isinstance(turn, dict) and turn.get("weight") != 0
    )
    return sum(role in ("assistant", "gpt") for role in roles)


def _share(draft: Draft, count: int | None) -> float:
    """The share that is set aside for validation; a number of rows needs their count."""
    if draft.share < 1:
        return float(draft.share)
    if not count:
        draft.remarks.append(
            f"a validation set of {draft.share:g} rows: how many there are is not known here, a tenth is"
        )
        return 0.1
    return min(round(draft.share / count, 4), 0.5)


# --- preferences ----------------------------------------------------------------------------------------------------


def _preferences(draft: Draft) -> int:
    """Preferences without the prompts of the exam; the better answers to those examine, the others are shown."""
    rows = [row for source in draft.train for row in source.written()]
    groups: dict[str, list[Json]] = {}
    for row in rows:
        groups.setdefault(_question(row), []).append(row)
    able = sorted((key for key, group in groups.items() if any(map(_good, group))), key=place_of)
    count = len(able)
    if count < 3:
        fix = "give more of them, or name an exam of its own as `data.test`"
        raise UserError(
            f"only {count} prompts have a good answer, too few to set an exam aside", draft.train[0].name, fix
        )
    test = able[: max(1, round(count * EXAM_SHARE))]
    share = 0.0 if draft.validation else _share(draft, count)
    validation = able[len(test) : len(test) + (max(1, round(count * share)) if share else 0)]
    aside = {*test, *validation}
    draft.experiment["data"] = {}
    learnt = [row for key, group in groups.items() if key not in aside for row in group]
    _write(draft, "train", list(_shown(groups[key] for key in able if key not in aside)))
    if draft.validation:
        held: dict[str, list[Json]] = {}
        for row in _validation(draft):
            held.setdefault(_question(row), []).append(row)
        _write(draft, "validation", list(_shown(held.values())))
    elif validation:
        _write(draft, "validation", list(_shown(groups[key] for key in validation)))
    _write(draft, "test", list(_shown(groups[key] for key in test)))
    _write(draft, "preferences", [_compact(row) for row in learnt])
    draft.remarks += [
        f"there is no exam in the file: {len(test):,} of {count:,} prompts are set aside for it, the good answer as "
        "the target",
        "data.train holds the good answers of the other prompts, for few-shot prompts and the checks; what is learnt "
        "is data.preferences",
    ]
    _tell_of_words(draft, [{"target": row.get("chosen", row.get("completion"))} for row in learnt if _good(row)])
    return round(len(learnt) * (1 if "label" in learnt[0] else LEARNT_PAIRS)) if learnt else 0


def _question(row: Json) -> str:
    return normalise(str(row["prompt"][-1]["content"]))


def place_of(key: str) -> str:
    """An order that does not hang on the file's own."""
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()


def _good(row: Json) -> bool:
    return bool(row.get("label", True))


def _shown(groups: Iterable[list[Json]]) -> Iterator[Json]:
    """The first good answer of each prompt, as a row of chat messages."""
    for group in groups:
        row = next((row for row in group if _good(row)), None)
        if row is not None:
            answer = row.get("chosen", row.get("completion"))
            kept = {name: row[name] for name in ("id", "cluster") if name in row}
            yield kept | {"messages": [*row["prompt"], {"role": "assistant", "content": answer}]}


def _compact(row: Json) -> Json:
    """A prompt of one question as text; the answer to a list of turns is one, too."""
    [*before, last] = row["prompt"]
    if not before and last["role"] == "user" and not last.keys() - {"role", "content"}:
        return {**row, "prompt": last["content"]}
    answer = row.get("completion")
    return row if answer is None else {**row, "completion": [{"role": "assistant", "content": answer}]}


# --- steps ----------------------------------------------------------------------------------------------------------


def _steps(draft: Draft, count: int | None) -> None:
    """Steps as epochs and a share, where the rows are counted; a step of packed rows is none of ours."""
    stage = draft.earlier[0] if draft.earlier else draft.training
    step = stage.get("batch_size", 16) * stage.get("gradient_accumulation", 1)
    known = None if draft.packed or not count else count
    if draft.steps and known:
        stage["epochs"] = epochs = float(f"{draft.steps.steps * step / known:.4g}")
        draft.theirs.set_aside("training.epochs", "the number of steps goes before it, there and here")
        draft.theirs.carry("training.epochs", *draft.steps.place)
        draft.assumed.pop("epochs", None)
        draft.remarks.append(
            f"{draft.steps.steps:g} steps of {step:,} rows are {epochs:g} epochs of the {known:,} rows to learn from"
        )
    elif draft.steps:
        why = "packed rows in a step are not counted" if draft.packed else "the rows are not counted here"
        draft.theirs.tell(f"{why}; set training.epochs", *draft.steps.place, learnt=True)
    if draft.warmup:
        _warmup(draft, draft.warmup, stage, None if known is None else stage.get("epochs", 3.0) * known / step)


def _warmup(draft: Draft, warmup: Count, stage: Settings, steps: float | None) -> None:
    """Steps of warm-up as a share of all; below 1 they are one there, too."""
    share = warmup.steps if warmup.steps < 1 else warmup.steps / steps if steps else None
    if share is not None and share < 1:
        stage["warmup_share"] = float(f"{share:.3g}")
        draft.assumed.pop("warmup_share", None)
        draft.theirs.carry("training.warmup_share", *warmup.place)
    else:
        why = "as many as there are steps" if share else "the steps are not counted here"
        draft.theirs.tell(why, *warmup.place, learnt=True)
