"""What other tools write of judges and people, turned into rows of ours. To add one, write a function and a line.

Where a tool names the two models, `a` is the one whose name comes first in the alphabet, and the pair's id is
`question/model/model`: its sides may change from row to row, and verdicts and labels of two files meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from suites.data.readers import Row
from suites.types import Json


class Shape(NamedTuple):
    """A shape of rows: columns that tell it, and what a row of it is in ours. ValueError for one that is none."""

    about: str
    columns: frozenset[str]
    rows: Callable[[Json], list[Json]]


def as_ours(rows: Sequence[Row], known: Sequence[Shape]) -> tuple[list[Row], list[str]]:
    """Rows in our shape, and what is wrong with those that cannot be turned into it. Rows of no known shape stay."""
    columns = set(rows[0][1])
    shape = next((each for each in known if each.columns <= columns), None)
    if shape is None:
        return (_by_person(rows) if known is LABELS else list(rows)), []
    ours: list[Row] = []
    bad = []
    for where, row in rows:
        try:
            made = shape.rows(row)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            why = f"{error}" if type(error) is ValueError else f"its {error} is not as {shape.about} writes it"
            bad.append(f"{where}: {why}")
            continue
        several = len(made) > 1
        ours += [(f"{where} ({number})" if several else where, each) for number, each in enumerate(made, 1)]
    return _last_word(ours) if known is LABELS else ours, bad


def has_scores(row: Json) -> bool:
    """Whether a row is a score of an answer."""
    return "score" in row or any(shape.columns <= row.keys() for shape in GRADES)


def _pair(question: object, one: str, other: str, turn: object = 1) -> tuple[str, bool]:
    """The id of a pair, and whether `one` is its `a`."""
    first, second = sorted((one, other))
    return f"{question}/{first}/{second}{'' if turn in (1, None) else f'/turn{turn}'}", one == first


def _side(winner: str, one: str, other: str, one_is_a: bool) -> str | None:
    """Our word for a winner that is called `one` or `other`."""
    if winner in (one, other):
        return "a" if (winner == one) == one_is_a else "b"
    if winner.startswith("tie"):
        return "tie"
    if winner == "error":
        return None
    raise ValueError(f"winner {winner!r}, expected {one}, {other} or tie")


def _mt_bench(row: Json) -> list[Json]:
    identity, straight = _pair(row["question_id"], row["model_1"], row["model_2"], row.get("turn"))
    judge = row["judge"]
    name = judge if isinstance(judge, str) else str(judge[0])
    orders = ("ab", "ba") if straight else ("ba", "ab")  # in the first game model_1 is shown first
    return [
        {"id": identity, "judge": name, "input": str(row["question_id"]), "order": order,
         "verdict": _side(row[game], "model_1", "model_2", straight)}
        for game, order in zip(("g1_winner", "g2_winner"), orders, strict=True)
    ]  # fmt: skip


def _alpaca_eval(row: Json) -> list[Json]:
    said = row["preference"]
    shown = (row.get("referenced_models") or {}).get("m")  # the model called m is shown first
    verdict = None if said is None else "tie" if said == 1.5 else "a" if said < 1.5 else "b"
    return [{
        "id": row["instruction"], "judge": str(row["annotator"]), "input": row["instruction"], "verdict": verdict,
        "order": {"output_1": "ab", "output_2": "ba"}.get(shown or ""), "a": row["output_1"], "b": row["output_2"],
    }]  # fmt: skip


def _arena(row: Json) -> list[Json]:
    identity, straight = _pair(row["question_id"], row["model_a"], row["model_b"], row.get("turn"))
    word = _side(row["winner"], "model_a", "model_b", straight)
    return [{"id": identity, "annotator": str(row["judge"]), "label": word}]


def _arena_verdict(row: Json) -> list[Json]:
    [label] = _arena(row)
    straight = row["model_a"] <= row["model_b"]
    return [{"id": label["id"], "judge": label["annotator"], "input": str(row["question_id"]),
             "order": "ab" if straight else "ba", "verdict": label["label"]}]  # fmt: skip


def _argilla(row: Json) -> list[Json]:
    """Answers of people to the one question whose answers are about two responses; `suggestions` are a model's."""
    for given in row["responses"].values():
        if any(re.fullmatch(r"(response_|answer |model_)?[ab]", str(each["value"]).casefold()) for each in given):
            return [{"id": row["id"], "annotator": str(x["user_id"]), "label": x["value"]} for x in given]
    return []


def _label_studio(row: Json) -> list[Json]:
    """`left` is `data.model1` where models are named; who was cancelled said nothing, who chose none sees none."""
    data: Json = row["data"]
    straight = data.get("model1", "") <= data.get("model2", "")
    words = {"left": "a" if straight else "b", "right": "b" if straight else "a", "none": "tie"}
    labels: list[Json] = []
    for each in row["annotations"]:
        chosen = [part["value"]["selected"] for part in each["result"] if part["type"] == "pairwise"]
        if not each.get("was_cancelled"):
            person = each["completed_by"]
            name = person["email"] if isinstance(person, dict) else str(person)
            label = words[chosen[0] if chosen else "none"]
            labels.append({"id": data.get("id", row["id"]), "annotator": name, "label": label})
    return labels


def _prodigy(row: Json) -> list[Json]:
    """`mapping` says which of A and B was shown as the one that is accepted."""
    sides = {shown: letter.casefold() for letter, shown in row["mapping"].items()}
    person = row.get("_annotator_id") or row.get("_session_id") or ""
    return [{"id": str(row["id"]), "annotator": person, "label": sides.get(row["answer"])}]


def _last_word(rows: Sequence[Row]) -> list[Row]:
    """Tools that let people answer again add a row: the last one counts."""
    return list({(row["id"], row["annotator"]): (where, row) for where, row in rows}.values())


def _criteria(row: Json) -> list[Json]:
    name = f"{row['id']}/{row['model']}" if row.get("model") else str(row["id"])
    return [{"id": name, "score": row["overall"], "judge": row.get("judge"), "input": str(row["id"])}]


def _by_person(rows: Sequence[Row]) -> list[Row]:
    """A table with a column for each person becomes a row for each label; other rows stay.

    Such a column has nothing but words for a choice, and one at least. Its name is the person, without what stands
    behind it in brackets.
    """
    first = rows[0][1]
    if "label" in first or "id" not in first:
        return list(rows)

    def word(value: Any) -> str:
        return " ".join(value.split()).casefold() if isinstance(value, str) else "" if value is None else "?"

    people = []
    for name in first:
        said = {word(row.get(name)) for _, row in rows} - {""}
        if name != "id" and said and said <= {"a", "b", "tie", "both bad", "both good"}:
            people.append(name)
    if not people:
        return list(rows)
    filled = [(where, row) for where, row in rows if any(word(value) for value in row.values())]
    return [
        (f"{where} ({name})", {"id": row["id"], "annotator": re.sub(r"\s*\(.*", "", name), "label": row[name]})
        for where, row in filled
        for name in people
    ]


VERDICTS: tuple[Shape, ...] = (
    Shape("MT-Bench", frozenset({"model_1", "model_2", "g1_winner", "g2_winner"}), _mt_bench),
    Shape("AlpacaEval", frozenset({"instruction", "output_1", "output_2", "preference"}), _alpaca_eval),
    Shape("the Arena", frozenset({"question_id", "model_a", "model_b", "winner"}), _arena_verdict),
)
LABELS: tuple[Shape, ...] = (
    Shape("the Arena", frozenset({"question_id", "model_a", "model_b", "winner"}), _arena),
    Shape("Argilla", frozenset({"responses", "fields"}), _argilla),
    Shape("Label Studio", frozenset({"annotations", "data"}), _label_studio),
    Shape("Prodigy", frozenset({"mapping", "answer", "accept", "reject"}), _prodigy),
)
GRADES: tuple[Shape, ...] = (Shape("a rubric", frozenset({"id", "scores", "overall"}), _criteria),)
