"""The example configs of other trainers in tests/cases/trainers, in a folder with the rows that they name."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import harness

CASES = Path(__file__).parents[1] / "cases" / "trainers"
MODEL = Path(harness.__file__).parent / "demo" / "model"
DESKS = ("billing", "delivery", "refunds")
Row = dict[str, object]


def write_all(folder: Path) -> None:
    """The configs of every trainer, each folder with its rows."""
    shutil.copytree(CASES, folder, dirs_exist_ok=True)
    (folder / "other" / "script.txt").rename(folder / "other" / "train.py")
    (folder / "other" / "base").symlink_to(MODEL, target_is_directory=True)
    for name in ("axolotl", "other"):
        _write_rows(folder / name)
    _write_listed_rows(folder / "llama_factory" / "data")


def question(i: int) -> str:
    what = ("parcel", "card", "bill")[i % 3]
    return f"Ticket {i}: the {what} of order {i * 37 % 1009} is {'late' if i % 2 else 'wrong'}."


def chat(i: int, who: str = "role", what: str = "content", user: str = "user", desk: str = "assistant") -> list[Row]:
    """A question and its answer as turns."""
    return [{who: user, what: question(i)}, {who: desk, what: DESKS[i % 3]}]


def pair(i: int) -> Row:
    """A better and a worse answer, each a turn."""
    good, bad = ({"role": "assistant", "content": answer} for answer in (DESKS[i % 3], "no idea"))
    return {"history": chat(i)[:1], "good": good, "bad": bad}


def write_lines(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_rows(folder: Path) -> None:
    dialogs: list[Row] = [
        {"dialog": [{"speaker": "system", "says": "Be kind."}, *chat(i, "speaker", "says", "customer", "desk")]}
        for i in range(60)
    ]
    write_lines(folder / "desk.jsonl", dialogs)
    write_lines(folder / "held.jsonl", [{"dialog": dialog["dialog"]} for dialog in dialogs[50:]])
    write_lines(
        folder / "more.jsonl", [{"conversations": chat(i, "from", "value", "human", "gpt")} for i in range(100, 112)]
    )
    write_lines(
        folder / "rated.jsonl",
        [{"messages": chat(i), "label": True} for i in range(40)]
        + [{"messages": [chat(i)[0], {"role": "assistant", "content": "no idea"}], "label": False} for i in range(40)],
    )
    write_lines(folder / "pairs.jsonl", map(pair, range(40)))
    write_lines(folder / "pairs_held.jsonl", map(pair, range(100, 110)))
    write_lines(
        folder / "prompt_pairs.jsonl",
        [{"prompt": question(i), "chosen": DESKS[i % 3], "rejected": "no idea"} for i in range(40)],
    )
    write_lines(folder / "alpaca.jsonl", map(instruction, range(40)))
    write_lines(folder / "gpteacher_as_alpaca.jsonl", map(instruction, range(200, 220)))
    write_lines(
        folder / "gpteacher.jsonl",
        [{"instruction": question(i), "input": "", "response": DESKS[i % 3]} for i in range(50, 90)],
    )
    write_lines(folder / "chats.jsonl", [{"messages": chat(i)} for i in range(40)])
    write_lines(folder / "chats_held.jsonl", [{"messages": chat(i)} for i in range(300, 310)])
    write_lines(folder / "file-train.jsonl", [{"messages": chat(i)} for i in range(40)])
    with (folder / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "about", "answer"])
        rows.writerows([question(i), f"order {i}", DESKS[i % 3]] for i in range(40))


def instruction(i: int) -> Row:
    return {"instruction": question(i), "input": "", "output": DESKS[i % 3]}


def _write_listed_rows(folder: Path) -> None:
    files: dict[str, list[Row]] = {
        "notes.json": [instruction(i) for i in range(60)],
        "asked.json": [
            {
                "question": question(i),
                "about": f"order {i}",
                "answer": DESKS[i % 3],
                "persona": "You route.",
                "before": [],
            }
            for i in range(100, 140)
        ],
        "talks.json": [
            {"turns": chat(i, "who", "text", "client", "desk"), "persona": "You route."} for i in range(200, 230)
        ],
        "pairs.json": [
            {
                "conversations": chat(i, "from", "value", "human", "gpt")[:1],
                "chosen": {"from": "gpt", "value": DESKS[i % 3]},
                "rejected": {"from": "gpt", "value": "no idea"},
            }
            for i in range(40)
        ],
        "alpaca_pairs.json": [
            {"instruction": question(i), "input": f"order {i}", "chosen": DESKS[i % 3], "rejected": "no idea"}
            for i in range(300, 320)
        ],
        "rated.json": [
            {"messages": [chat(i)[0], {"role": "assistant", "content": answer}], "label": answer != "no idea"}
            for i in range(40)
            for answer in (DESKS[i % 3], "no idea")
        ],
    }
    for name, rows in files.items():
        (folder / name).write_text(json.dumps(rows), encoding="utf-8")
    parts: list[Row] = [{"messages": _weighed(i)} for i in range(400, 420)]
    write_lines(folder / "talks_v1.jsonl", parts)
    write_lines(
        folder / "pairs_v1.jsonl",
        [
            {
                "chosen_messages": _weighed(i),
                "rejected_messages": [
                    *_weighed(i)[:1],
                    {"role": "assistant", "content": [{"type": "text", "value": "no"}]},
                ],
            }
            for i in range(40)
        ],
    )


def _weighed(i: int) -> list[Row]:
    """Turns of parts, with their weights."""
    return [
        {"role": turn["role"], "content": [{"type": "text", "value": turn["content"]}], "loss_weight": weight}
        for turn, weight in zip(chat(i), (0.0, 1.0), strict=True)
    ]
