"""Passages from a corpus: how they are read, cut, found, shown and known, and what a corpus may not hold."""

import json

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from workspaces import opened, run, select, write_jsonl

from baselines.prompters.rag import Rag, build, label
from baselines.prompters.types import Given
from baselines.retrieval.corpus import read_corpus
from harness.experiment.arms import base_arms
from harness.experiment.load import load_experiment
from harness.pipeline.check_corpus import corpus_findings
from harness.selftest import run as selftest
from suites.errors import UserError
from suites.types import Example

RETURNS = "Goods may be sent back within thirty days. The label is in the box."
SHIPPING = "We ship to Norway on Mondays. A parcel takes four days."
OPENING = "The shop in Oslo opens at nine and closes at five."


def example(name, text, target="x", **columns):
    return Example(name, {"input": text, "target": target, **columns}, target, name)


@pytest.fixture
def folder(tmp_path):
    texts = tmp_path / "docs"
    (texts / "more").mkdir(parents=True)
    (texts / "returns.md").write_text(RETURNS)
    (texts / "more" / "shipping.txt").write_text(SHIPPING)
    (texts / ".hidden").write_bytes(b"\0")
    return tmp_path


def prompter(folder, corpus="docs", template="Answer.", **settings):
    return build(Rag(corpus=corpus, **settings), Given("rag", template, folder=folder))


def last(made, text, **columns):
    return made.messages(example("q", text, **columns))[-1]["content"]


# --- reading and cutting ---------------------------------------------------------------------------------------------


def names(folder, corpus, words=200):
    return [passage.id for passage in read_corpus(corpus, folder, words).passages]


def test_a_corpus_is_a_file_a_folder_or_a_pattern(folder):
    assert names(folder, "docs") == ["more/shipping.txt", "returns.md"]
    assert names(folder, "docs/returns.md") == ["returns.md"]
    assert names(folder, "docs/**/*.txt") == ["more/shipping.txt"]


def test_rows_are_passages_by_their_id_or_by_where_they_stand(folder):
    write_jsonl(folder / "faq.jsonl", [{"id": "r", "text": RETURNS}, {"text": SHIPPING}])
    table = pyarrow.table({"passage": [OPENING], "id": [7]})
    pyarrow.parquet.write_table(table, folder / "faq.parquet")
    assert names(folder, "faq.jsonl") == ["r", "faq.jsonl:2"]
    assert names(folder, "faq.parquet") == ["7"]


def test_a_long_text_is_cut_where_sentences_end_and_each_part_is_numbered(folder):
    corpus = read_corpus("docs/returns.md", folder, 8)
    assert [(p.id, p.text, p.document) for p in corpus.passages] == [
        ("returns.md#1", "Goods may be sent back within thirty days.", "returns.md"),
        ("returns.md#2", "The label is in the box.", "returns.md"),
    ]


def test_a_text_without_spaces_between_words_is_cut_too(folder):
    (folder / "zh.txt").write_text("我们每周一发货到挪威。" * 20)
    assert len(names(folder, "zh.txt", 50)) > 3


def test_a_corpus_is_known_by_what_it_says_and_how_it_is_cut(folder):
    before = read_corpus("docs", folder, 200).digest
    assert read_corpus("docs", folder, 8).digest != before
    (folder / "docs" / "returns.md").write_text(RETURNS + " No refunds.")
    assert read_corpus("docs", folder, 200).digest != before


# --- finding and showing ---------------------------------------------------------------------------------------------


def test_the_passages_that_fit_best_stand_numbered_before_the_question(folder):
    assert last(prompter(folder, passages=2), "How many days does a parcel take to Norway?") == (
        f"Passages:\n\n[1] {SHIPPING}\n\n[2] {RETURNS}\n\nHow many days does a parcel take to Norway?"
    )


def test_a_prompt_may_say_where_they_stand(folder):
    made = prompter(folder, template="Q: {{ input }}\n\n{{ passages }}\n\nA:", passages=1)
    assert last(made, "To Norway?") == f"Q: To Norway?\n\nPassages:\n\n[1] {SHIPPING}\n\nA:"
    system = prompter(folder, template="Know this. {{ passages }}", passages=1)
    assert system.messages(example("q", "Norway?"))[0]["content"] == f"Know this. Passages:\n\n[1] {SHIPPING}"


def test_where_no_passage_shares_a_word_none_is_shown(folder):
    assert last(prompter(folder), "Bonjour?") == "Bonjour?"


def test_what_the_prompt_shows_beside_the_input_is_searched_for_too(folder):
    made = prompter(folder, template="About {{ topic }}: {{ input }}", passages=1)
    assert f"[1] {RETURNS}" in last(made, "what is it?", topic="goods sent back")


def test_a_template_may_take_passages_one_by_one(folder):
    template = "{% for passage in passages %}<{{ passage.id }}> {{ passage.text }}{% endfor %} {{ input }}"
    assert last(prompter(folder, template=template, passages=1), "Norway?") == f"<more/shipping.txt> {SHIPPING} Norway?"


def test_text_of_a_corpus_is_never_a_template(folder):
    (folder / "docs" / "evil.md").write_text("{{ 7 * 7 }} {% for i in range(10**9) %}x{% endfor %} zebra")
    assert "{{ 7 * 7 }}" in last(prompter(folder), "zebra")
    assert "{{ 7 * 7 }}" in last(prompter(folder, template="{{ passages }} {{ input }}"), "zebra")


def test_a_prompt_is_known_by_its_corpus_and_its_rule(folder):
    digests = {prompter(folder).digest, prompter(folder, passages=2).digest, prompter(folder, chunk=16).digest}
    (folder / "docs" / "returns.md").write_text("Something else.")
    assert len({*digests, prompter(folder).digest}) == 4
    assert label(Rag(corpus="docs/*", passages=5)) == "rag docs 5"


def test_what_ships_says_what_is_found_and_where_it_stands(folder):
    made = prompter(folder)
    assert made.outline()[-1]["content"] == "{{ passages }}\n\n{{ input }}"
    assert made.found == "the 3 of the 2 passages of docs that fit the question best (BM25), before it"


# --- what may go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty/none.md", b"  \n", "the corpus holds no text"),
        ("nothing", None, "no such file, folder or pattern"),
        ("bin/a.md", b"PK\x03\x04\0\0", "a file that is no text"),
        ("latin/a.md", "Größe".encode("latin-1"), "not UTF-8 text, first at byte 2"),
        ("rows/a.jsonl", b'{"title": 3}\n', "rows without a text"),
        ("odd/a.jsonl", b'{"text": "a"}\n{"text": null}\n', "a row without text in `text`"),
        ("twice/a.jsonl", b'{"text": "a", "id": 1}\n{"text": "b", "id": 1}\n', "two texts called '1'"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_refused_with_its_line(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    (tmp_path / "hollow").mkdir()
    path = experiment(tmp_path, corpus=name.partition("/")[0])
    with pytest.raises(UserError, match=r"line 3: `baselines\.0\.rag\.corpus` ") as caught:
        load_experiment(path)
    assert sentence in str(caught.value)
    with pytest.raises(UserError, match="the corpus has no files"):
        read_corpus("hollow", tmp_path, 200)


# --- in an experiment ------------------------------------------------------------------------------------------------

TESTED = [
    {"id": "t1", "input": "When may goods be sent back?", "target": "thirty days", "source": "returns.md"},
    {"id": "t2", "input": "On which day do you ship to Norway?", "target": "Mondays", "source": "more/shipping.txt"},
    {"id": "t3", "input": "Bonjour?", "target": "x", "source": "opening.md"},
]


def experiment(folder, corpus="docs", **settings):
    write_jsonl(folder / "test.jsonl", TESTED)
    write_jsonl(folder / "tuned.jsonl", [{"id": row["id"], "completion": "x"} for row in TESTED])
    content = {
        "baselines": [{"rag": {"corpus": corpus, "passages": 2, **settings}}],
        "candidate": {"recorded": "tuned.jsonl"}, "data": {"test": "test.jsonl"}, "experiment": "x", "model": "echo",
        "regression": [],
    }  # fmt: skip
    (folder / "e.yaml").write_text(yaml.safe_dump(content))
    return folder / "e.yaml"


def told(path):
    session = opened(path)
    return {each.check: each for each in corpus_findings(base_arms(session.experiment, session.splits), session.splits)}


def test_how_well_gold_passages_are_found_is_told(folder):
    found = told(experiment(folder, gold="source"))
    assert found.keys() == {"gold_passages", "no_passage"}
    assert found["gold_passages"].message.startswith("rag docs 2 shows the gold passage among 2 for 66.7% [")
    assert found["gold_passages"].message.endswith("of 3 test questions, mean reciprocal rank 0.67")
    assert found["no_passage"].rows == ("t3",)


def test_a_test_answer_planted_in_the_corpus_blocks_and_a_question_alone_is_told(folder):
    (folder / "docs" / "faq.md").write_text("Q: when may goods be sent back?\nA: Within thirty days, that is.")
    (folder / "docs" / "log.md").write_text("Somebody asked: on which day do you ship to Norway?")
    found = told(experiment(folder))
    assert (found["corpus_overlap"].level, found["corpus_overlap"].rows) == ("block", ("t1",))
    assert found["corpus_overlap"].message == (
        "1 of the 3 test questions stand in the corpus docs with their answers, for example t1 ('When may goods be "
        "sent back?') in passage faq.md"
    )
    assert (found["corpus_questions"].level, found["corpus_questions"].rows) == ("warn", ("t2",))


def test_a_planted_answer_stops_the_experiment(folder):
    (folder / "docs" / "faq.md").write_text("When may goods be sent back? Within thirty days.")
    session = run(experiment(folder))
    assert select(session.store, "select verdict from v_decisions")[0]["verdict"] == "invalid"


def test_the_self_test_plants_answers_in_the_corpus_and_sees_them_stopped(folder):
    session = run(experiment(folder))
    with session.store.hold():
        outcome = selftest.TESTS["answers in the corpus"](session)
    assert (outcome.done, outcome.got, outcome.status) == (
        "1 test questions put into the corpus with their answers", "invalid by data", "pass",
    )  # fmt: skip


def test_a_gold_column_that_no_row_has_is_refused(folder):
    with pytest.raises(UserError, match=r"`baselines\.0\.rag\.gold: sources`: unknown column; did you mean `source`"):
        load_experiment(experiment(folder, gold="sources"))


def test_an_experiment_with_a_corpus_is_another_when_the_corpus_changes(folder):
    path = experiment(folder)
    before = load_experiment(path).id
    (folder / "docs" / "returns.md").write_text("Something else.")
    assert load_experiment(path).id != before


def test_what_was_shown_is_on_record_with_each_answer(folder):
    session = run(experiment(folder))
    rows = select(session.store, "select prompt from v_completions where example_id = 't2' and prompt like '%Norway%'")
    assert any(f"[1] {SHIPPING}" in json.dumps(row["prompt"], ensure_ascii=False) for row in rows)
