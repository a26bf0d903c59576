"""What people bring and type first, from their file to the verdict, their usual mistakes included."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fine_tuning_api import Api, serving
from people import ROOT, Person, about

TEAMS = ("Versand", "Rechnung", "Konto")
ANSWERS = ROOT / "tests" / "cases" / "docs" / "answers"


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


# --- someone with a spreadsheet of tickets ---------------------------------------------------------------------------


def tickets(count: int) -> str:
    """A table as Excel writes it in most of Europe."""
    rows = [f'{1000 + i};"Größe {i} fehlt; bitte prüfen, Gruß Nr. {i * 7919}";{TEAMS[i % 3]}' for i in range(count)]
    return "\r\n".join(["Nummer;Text;Team", *rows, ""])


def test_someone_with_a_spreadsheet_of_tickets_learns_what_to_write(person: Person) -> None:
    person.writes("tickets.csv", b"\xef\xbb\xbf" + tickets(120).encode())
    person.writes("ansi.csv", tickets(120).encode("cp1252"))

    said = person.types("harness run tickets.csv")
    assert (said.code, "this is a file of data" in said.text, "harness init FOLDER" in said.text) == (2, True, True)
    said = person.types("harness check ansi.csv")
    assert (said.code, "in Excel the kind of file is called CSV UTF-8" in said.text) == (2, True)
    said = person.types("harness check tickets.csv")
    assert (said.code, "the file has Nummer, Text, Team" in said.text) == (2, True)
    assert "--columns input=Text,target=Team" in said.text
    said = person.types("harness check tickets.csv --columns input=Text,target=Team")
    assert (said.code, "120 rows" in said.text) == (0, True)

    person.writes(
        "experiment.yaml",
        "experiment: tickets\nmodel: embedded\n"
        "data: {train: tickets.csv, test: tickets.csv, columns: {input: Text, target: Tema}}\n"
        "taks: {prompt: Welches Team}\nbaselines: [zero_shoot]\n",
    )
    said = person.types("harness check .")
    assert said.code == 2
    for told in (
        "`baselines.0.zero_shoot` unknown setting; did you mean `zero_shot`?",
        "`taks` unknown setting; did you mean `task`?",
        "`data.train` no column `Tema`; the file has Nummer, Text, Team",
    ):
        assert told in said.text
    person.writes(
        "experiment.yaml",
        "experiment: tickets\nmodel: embedded\n"
        "data: {train: tickets.csv, test: tickets.csv, columns: {input: Text, target: Team}}\n",
    )
    said = person.types("harness check .")
    assert "`data.test` is the file of `data.train`" in said.text
    assert "`data.split: 80/10/10`" in said.text


@pytest.mark.slow
def test_someone_with_a_spreadsheet_trains_and_reads_that_the_answers_come_first(person: Person) -> None:
    """A tiny model that knows no German can do nothing here, which the harness says, and it praises no fine-tune."""
    person.writes("tickets.csv", b"\xef\xbb\xbf" + tickets(50).encode())
    person.writes(
        "experiment.yaml",
        "experiment: tickets\nmodel: embedded\n"
        "data: {train: tickets.csv, columns: {input: Text, target: Team}, split: 40/0/60}\n"
        "task: {prompt: 'Welches Team? Versand, Rechnung oder Konto.', max_new_tokens: 4}\n"
        "baselines: [zero_shot]\nregression: []\ntraining: {method: lora, epochs: 1, batch_size: 16}\n",
    )
    said = person.types("harness run .")
    assert said.code in (3, 5), said.text
    assert "Neither gets a single example right: read their answers before anything else" in said.text
    assert "tickets" in person.reads("out/tickets/report.md")
    assert person.decision("tickets")["exit_code"] == said.code
    again = person.types("harness run .")
    assert (again.code, "training (lora)" in again.err) == (said.code, False), "nothing is trained twice"


# --- someone who was sent a report -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a colleague has decided: recorded answers of 400 questions and a regression suite."""
    folder = tmp_path_factory.mktemp("colleague")
    shutil.copytree(ANSWERS, folder, dirs_exist_ok=True)
    colleague = Person(folder)
    colleague.writes(
        "experiment.yaml",
        "experiment: their-model\ndata: {test: exam.jsonl}\nbaselines: [{recorded: prompted.jsonl}]\n"
        "candidate: {recorded: tuned.jsonl}\nregression: [sums]\n",
    )
    assert colleague.types("harness run experiment.yaml").code == 0
    return folder


def test_someone_who_was_sent_a_folder_finds_the_verdict_and_what_it_stands_on(decided: Path, tmp_path: Path) -> None:
    shutil.copytree(decided, tmp_path / "sent")
    reader = Person(tmp_path)
    said = reader.types("harness runs")
    assert (said.code, "no store here yet" in said.text, "--store" in said.text) == (2, True, True)
    assert "their-model" in reader.types("harness runs --store sent").out, "the folder will do"
    said = reader.types("harness gate their-modle --store sent")
    assert (said.code, "harness runs" in said.text) == (2, True)
    said = reader.types("harness gate --store sent")
    assert (said.code, "Deploy: the fine-tune beats the best prompt" in said.out) == (0, True)

    report, record = reader.reads("sent/out/*/report.md"), Person(tmp_path / "sent").decision("their-model")
    assert record["verdict"] == "deploy"
    for told in ("Deploy: the fine-tune beats the best prompt", "gain over the best prompt", "n=400", "sums"):
        assert told in report
    said = reader.types("harness compare their-model/prompted their-model/candidate --store sent")
    assert "58 answers got better, 4 got worse" in said.text


# --- someone whose pull requests are gated ---------------------------------------------------------------------------


def test_someone_with_a_ci_merges_what_is_better_and_nothing_else(decided: Path, tmp_path: Path) -> None:
    shutil.copytree(decided, tmp_path / "work")
    runner = Person(tmp_path / "work")
    content = (runner.folder / "experiment.yaml").read_text()
    runner.writes("experiment.yaml", content.replace("their-model", "worse").replace("tuned.jsonl", "worse.jsonl"))
    rows = [json.loads(line) for line in (runner.folder / "tuned.jsonl").read_text().splitlines()]
    # The next pull request: a model that has forgotten what the regression suite asks.
    exam = {json.loads(line)["id"] for line in (runner.folder / "exam.jsonl").read_text().splitlines()}
    runner.writes("worse.jsonl", [row if row["id"] in exam else {**row, "completion": "?"} for row in rows])
    said = runner.types("harness run experiment.yaml")
    assert (said.code, "It loses 90.0 points on sums" in said.text) == (4, True), said.text

    outputs, summary = tmp_path / "outputs", tmp_path / "summary.md"
    said = runner.types(
        "harness gate --github --junit x.xml", GITHUB_OUTPUT=f"{outputs}", GITHUB_STEP_SUMMARY=f"{summary}"
    )
    assert (said.code, "::error" in said.out) == (4, True)
    assert "decision=reject" in outputs.read_text()
    assert "sums" in summary.read_text()
    assert 'failures="0"' not in runner.reads("x.xml").splitlines()[0]
    assert runner.types("harness gate their-model").code == 0, "the decision before it is still there"
    looks = "harness query from(v_decisions)select(name),test_set_looks --json"
    assert [row["test_set_looks"] for row in json.loads(runner.types(looks).out)] == [1, 2]


# --- someone who trains checkpoint after checkpoint ------------------------------------------------------------------


def test_someone_with_three_checkpoints_pays_for_every_look_and_can_compare_them(person: Person) -> None:
    def answers(right: int) -> list[dict[str, Any]]:
        return [{"id": f"q{i}", "completion": TEAMS[i % 3] if i * 7 % 100 < right else "?"} for i in range(300)]

    person.writes("exam.jsonl", [{"id": f"q{i}", "input": f"ticket {i}", "target": TEAMS[i % 3]} for i in range(300)])
    person.writes("prompt.jsonl", answers(60))
    for step, right in ((100, 70), (200, 80), (300, 90)):
        person.writes(f"step-{step}.jsonl", answers(right))
        person.writes(
            f"step-{step}.yaml",
            f"experiment: step-{step}\ndata: {{test: exam.jsonl}}\nbaselines: [{{recorded: prompt.jsonl}}]\n"
            f"candidate: {{recorded: step-{step}.jsonl}}\nregression: []\n",
        )
        assert person.types(f"harness run step-{step}.yaml").code == 0
    looked = [person.decision(f"step-{step}") for step in (100, 200, 300)]
    assert [record["test_set_looks"] for record in looked] == [1, 2, 3]
    said = person.types("harness compare step-100/candidate step-300/candidate")
    assert (said.code, "60 answers got better, 0 got worse" in said.text) == (0, True)
    assert len(json.loads(person.types("harness runs --json").out)) == 3


# --- someone with an adapter, a file of answers, a server ------------------------------------------------------------


class Desk(Api):
    """A server of two models: the base knows every second answer, the fine-tune nearly all."""

    asked_of = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if path != "/v1/chat/completions":
            return 404, {"error": {"message": f"no such path: {path}"}}
        self.asked_of += 1
        asked = json.loads(body)
        number = about(asked["messages"][-1]["content"])
        knows = number % 20 if asked["model"] == "tuned" else number % 2
        choice = {
            "message": {"role": "assistant", "content": TEAMS[number % 3] if knows else "?"},
            "finish_reason": "stop",
        }
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}


@pytest.fixture
def desk() -> Iterator[Desk]:
    api = Desk()
    with serving(api):
        yield api


def served(url: str) -> str:
    return (
        f"experiment: served\nmodel: {{endpoint: '{url}', name: base}}\ndata: {{test: exam.jsonl}}\n"
        f"task: {{prompt: Name the team.}}\nbaselines: [zero_shot]\n"
        f"candidate: {{endpoint: '{url}', name: tuned}}\nregression: []\n"
    )


def test_someone_with_a_server_gets_a_verdict_and_moves_it_to_where_there_is_none(
    person: Person, desk: Desk, tmp_path: Path
) -> None:
    person.writes("exam.jsonl", [{"id": f"q{i}", "input": f"ticket {i}", "target": TEAMS[i % 3]} for i in range(200)])
    person.writes("experiment.yaml", served(f"{desk.url}/chat/completions"))
    said = person.types("harness check .")
    assert (said.code, f"give what stands before it: {desk.url}" in said.text) == (2, True)
    person.writes("experiment.yaml", served(desk.url.removeprefix("http://")))
    assert "is not a web address" in person.types("harness check .").text
    assert desk.asked_of == 0

    person.writes("experiment.yaml", served(desk.url))
    said = person.types("harness run .")
    assert (said.code, "verdict: deploy (exit 0)" in said.out) == (0, True), said.text
    asked = desk.asked_of
    shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-moved"))
    moved = Person(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert moved.types("harness run .").code == 0
    assert desk.asked_of == asked, "a copied folder asks nothing"
    assert moved.decision("served")["test_set_looks"] == 1


@pytest.fixture
def exam(person: Person) -> Person:
    """Someone with 150 questions, the answers of a prompt, and those of a candidate as a table."""
    person.writes("exam.csv", "Nr,Frage,Team\n" + "".join(f"{i},ticket {i},{TEAMS[i % 3]}\n" for i in range(150)))
    person.writes(
        "prompt.csv", "id,completion\n" + "".join(f"{i},{TEAMS[i % 3] if i % 2 else '?'}\n" for i in range(150))
    )
    person.writes(
        "tuned.csv", "id;completion\n" + "".join(f"{i};{TEAMS[i % 3] if i % 9 else '?'}\n" for i in range(150))
    )
    return person


def recorded(candidate: str, columns: str = "id: Nr, input: Frage, target: Team", baselines: str = "prompt.csv") -> str:
    return (
        f"experiment: answers\ndata: {{test: exam.csv, columns: {{{columns}}}}}\n"
        f"baselines: [{{recorded: {baselines}}}]\ncandidate: {candidate}\nregression: []\n"
    )


def test_someone_with_answers_in_a_table_gets_a_verdict(exam: Person) -> None:
    exam.writes("experiment.yaml", recorded("{recorded: tuned.csv}"))
    said = exam.types("harness run .")
    assert (said.code, "verdict: deploy (exit 0)" in said.out) == (0, True), said.text


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (
            recorded("{recorded: tuned.csv}", "input: Frage, target: Team"),
            2,
            "none of the 150 answers is to a question",
        ),
        (recorded("{recorded: prompt.csv}"), 6, "0 of 150 answers differ; the candidate is identical to the base"),
        (recorded("{recorded: tune.csv}"), 2, "`candidate.recorded` no such file"),
        (recorded("adapter"), 2, "`model` is required unless baselines and candidate are all recorded"),
        ("model: embedded\n" + recorded("adapter"), 2, "it has no adapter_model.safetensors"),
        (recorded("{recorded: tuned.csv}").replace("baselines", "#"), 2, "by `baselines: [{recorded: FILE}]`"),
    ],
    ids=["ids-that-do-not-match", "one-file-twice", "typo", "no-base", "half-an-adapter", "no-baselines"],
)
def test_what_goes_wrong_with_a_candidate_from_elsewhere_is_told_with_its_way_out(
    exam: Person, content: str, code: int, told: str
) -> None:
    exam.writes("adapter/adapter_config.json", "{}")
    exam.writes("experiment.yaml", content)
    said = exam.types("harness run .")
    assert (said.code, told in said.text) == (code, True), said.text


# --- people whose data has another shape -----------------------------------------------------------------------------

NAMES = ("Ada", "Carl", "Emmy", "Leon", "Sophie", "Kurt", "Ida")
DOCUMENTS = [f"Invoice {1000 + i}: {NAMES[i % 7]} of house {i * 7919} owes {i * 3} euro." for i in range(150)]
ASKED = [{"role": "user", "content": "Whose invoice is it?"}]
CALL = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
Rows = Sequence[Mapping[str, Any]]


def rows(make: Any) -> Rows:
    return [make(i, document, NAMES[i % 7]) for i, document in enumerate(DOCUMENTS)]


SHAPES: dict[str, tuple[str, Rows, int, str]] = {
    "chats": (
        "FILE",
        rows(lambda i, d, n: {"messages": [{"role": "user", "content": d}, {"role": "assistant", "content": n}]}),
        0,
        "chat messages (TRL, OpenAI), 150 rows",
    ),
    "extraction": (
        "FILE --columns input=question,target=answer",
        rows(lambda i, d, n: {"question": "Name and sum as JSON.", "document": d, "answer": {"name": n, "sum": i * 3}}),
        0,
        "rows are told apart by `document` as well",
    ),
    "rag": (
        "FILE --columns input=question,target=answer",
        rows(lambda i, d, n: {"question": "Whose invoice is it?", "context": [d, DOCUMENTS[i - 1]], "answer": n}),
        0,
        "rows are told apart by `context` as well",
    ),
    "several right answers": (
        "FILE --columns input=question,target=answers",
        rows(lambda i, d, n: {"question": f"{i}?", "context": d, "answers": {"text": [n], "answer_start": [14]}}),
        0,
        "inputs and targets, 150 rows",
    ),
    "summaries": (
        "FILE --columns input=document,target=summary",
        rows(lambda i, d, n: {"document": f"{d} " * 20, "summary": f"{n} owes {i * 3}"}),
        0,
        "inputs and targets, 150 rows",
    ),
    "preferences": (
        "--preferences FILE",
        rows(lambda i, d, n: {"prompt": d, "chosen": n, "rejected": NAMES[i % 7 - 1]}),
        0,
        "preference pairs, 150",
    ),
    "preferences taken for examples": (
        "FILE",
        rows(lambda i, d, n: {"prompt": d, "chosen": n, "rejected": NAMES[i % 7 - 1]}),
        2,
        "harness check --preferences FILE",
    ),
    "answers that call a tool": (
        "FILE",
        rows(lambda i, d, n: {"messages": [*ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]}]}),
        2,
        "the last turn calls a tool, and no tools are given: in the row's column `tools`",
    ),
    "tools on the way": (
        "FILE",
        rows(
            lambda i, d, n: {
                "messages": [
                    {"role": "user", "content": f"Whose invoice is {1000 + i}?"},
                    {"role": "assistant", "content": None, "tool_calls": [CALL]},
                    {"role": "tool", "content": d, "tool_call_id": "c"},
                    {"role": "assistant", "content": n},
                ]
            }
        ),
        0,
        "chat messages (TRL, OpenAI), 150 rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_data_of_every_shape_is_taken_for_what_it_is(person: Person, shape: str) -> None:
    words, content, code, told = SHAPES[shape]
    person.writes("rows.jsonl", content)
    said = person.types(f"harness check {words.replace('FILE', 'rows.jsonl')}")
    assert (said.code, told in said.text) == (code, True), said.text
    assert "block" not in said.out


def test_someone_who_extracts_is_marked_by_what_the_json_says(person: Person) -> None:
    """One fixed question to many documents; an answer with its keys in another order is as right."""
    _, content, _, _ = SHAPES["extraction"]
    person.writes("exam.jsonl", [{"id": i, **row} for i, row in enumerate(content)])
    right = [json.dumps(dict(reversed(row["answer"].items()))) for row in content]
    person.writes("prompt.jsonl", [{"id": i, "completion": a if i % 2 else "{}"} for i, a in enumerate(right)])
    person.writes("tuned.jsonl", [{"id": i, "completion": a if i % 9 else "{}"} for i, a in enumerate(right)])
    person.writes(
        "experiment.yaml",
        "experiment: extraction\ndata: {test: exam.jsonl, columns: {input: question, target: answer}}\n"
        "task: {metrics: [json_match]}\nbaselines: [{recorded: prompt.jsonl}]\ncandidate: {recorded: tuned.jsonl}\n"
        "regression: []\n",
    )
    said = person.types("harness run .")
    assert (said.code, "n = 150" in said.text) == (0, True), said.text
