"""Splits that keep their promises: shares, targets, whole groups, and rows that stay where they are."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from workspaces import opened, recorded_experiment, select, write_jsonl

from harness.experiment.splits import earlier_split, loose_rows
from harness.store import splits
from suites.data.examples import sha256_json
from suites.data.splits import folds, split
from suites.errors import UserError
from suites.types import Example

TENTHS = {"validation": 0.1, "test": 0.1}


def example(number, target="t", cluster=None, text=None):
    name = f"e{number}"
    return Example(name, {"input": text or f"text {name}"}, target, cluster or name)


def sides(parts):
    return {e.id: side for side, part in parts.items() for e in part}


@pytest.mark.parametrize("labels", [1, 7, 1000], ids=["one answer", "labels", "free text"])
@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.05, 0.05), (0.137, 0.3)])
@given(seed=st.integers(0, 1000))
def test_shares_hold_to_within_a_few_rows_whatever_the_targets(labels, shares, seed):
    examples = [example(i, target=f"label {i * 7919 % labels}") for i in range(300)]
    parts = split(examples, {"validation": shares[0], "test": shares[1]}, seed=seed)
    for name, share in (("validation", shares[0]), ("test", shares[1])):
        assert abs(len(parts[name]) - share * 300) <= 5


@given(seed=st.integers(0, 1000))
def test_labels_are_spread_like_the_whole_rare_ones_too(seed):
    examples = [example(i, target="rare" if i % 10 == 3 else "common") for i in range(400)]
    parts = split(examples, {"validation": 0.25, "test": 0.25}, seed=seed)
    for part in ("validation", "test"):
        counts = Counter(e.target for e in parts[part])
        assert abs(counts["rare"] - 10) <= 4
        assert abs(counts["common"] - 90) <= 6


def test_every_row_has_its_share_of_seeds_to_be_tested_in():
    examples = [example(i) for i in range(20)]
    tested = Counter(e.id for seed in range(1000) for e in split(examples, TENTHS, seed=seed)["test"])
    assert all(60 <= tested[f"e{i}"] <= 140 for i in range(20)), "close to 100 of 1,000 for each, not only on average"


@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=2, max_size=80),
    more=st.integers(1, 40),
    seed=st.integers(0, 50),
)
def test_rows_added_at_the_end_move_none(rows, more, seed):
    examples = [example(i, target, cluster=f"c{group}") for i, (group, target) in enumerate(rows)]
    before = sides(split(examples[:-more] or examples[:1], TENTHS, seed=seed))
    after = sides(split(examples, TENTHS, seed=seed))
    assert {name: after[name] for name in before} == before


def test_rows_of_an_earlier_split_stay_when_others_leave_or_change_places():
    examples = [example(i, target=f"l{i % 3}") for i in range(200)]
    earlier = sides(split(examples, TENTHS))
    fewer = examples[:0:-1][::2]
    assert sides(split(fewer, TENTHS)) != {e.id: earlier[e.id] for e in fewer}
    assert sides(split(fewer, TENTHS, keep=earlier)) == {e.id: earlier[e.id] for e in fewer}


def test_a_new_row_that_ties_two_sides_together_is_held_out_with_both():
    examples = [example(0), example(1), example(2)]
    keep = {"e0": "train", "e1": "test"}
    parts = split(examples, {"test": 0.3}, links=[(0, 2), (1, 2)], keep=keep)
    assert [e.id for e in parts["test"]] == ["e0", "e1", "e2"]


@given(links=st.lists(st.tuples(st.integers(0, 49), st.integers(0, 49)), max_size=20), seed=st.integers(0, 20))
def test_linked_examples_are_never_on_two_sides(links, seed):
    examples = [example(i) for i in range(50)]
    home = sides(split(examples, {"validation": 0.3, "test": 0.3}, seed=seed, links=links))
    assert all(home[f"e{one}"] == home[f"e{other}"] for one, other in links)


def test_plain_text_is_told_apart_by_its_text():
    examples = [Example(f"e{i}", {"input": ""}, f"text {i % 25}", f"e{i}", turns=()) for i in range(100)]
    parts = split(examples, {"test": 0.2})
    assert 10 <= len(parts["test"]) <= 30
    assert not {e.target for e in parts["test"]} & {e.target for e in parts["train"]}


@given(st.integers(2, 10), st.integers(0, 20))
def test_folds_test_each_example_once_with_groups_whole(count, seed):
    examples = [example(i, target=f"l{i % 2}", cluster=f"c{i // 2}") for i in range(60)]
    parts = folds(examples, count, seed=seed)
    assert sorted(e.id for part in parts for e in part) == sorted(e.id for e in examples)
    assert len(parts) == count
    clusters = [{e.cluster for e in part} for part in parts]
    assert sum(map(len, clusters)) == len(set.union(*clusters))
    assert all(abs(len(part) - 60 / count) <= 6 for part in parts)


# --- in an experiment ------------------------------------------------------------------------------------------------


@pytest.fixture
def experiment(tmp_path):
    """The session of an experiment over a training file with these questions, split as said."""

    def made(questions, **settings):
        path = recorded_experiment(tmp_path, [], [], data={"train": "train.jsonl", "split": "80/10/10", **settings})
        write_jsonl(tmp_path / "train.jsonl", [{"input": q, "target": "yes"} for q in questions])
        return opened(path)

    return made


def recorded(session):
    sql = "select example_id, side from v_splits where experiment_id = ?"
    return {row["example_id"]: row["side"] for row in select(session.store, sql, [session.id])}


def test_a_split_is_put_on_record_and_the_next_run_has_the_same(experiment):
    questions = [f"question {i}" for i in range(60)]
    session = experiment(questions)
    first = sides(session.splits)
    assert set(first.values()) == {"train", "validation", "test"}
    assert recorded(session) == first == sides(experiment(questions).splits)


def test_a_changed_file_moves_no_row_that_stays(experiment):
    questions = [f"question {i}" for i in range(60)]
    first = sides(experiment(questions).splits)
    changed = experiment([f"new {i}" for i in range(20)] + questions[:10:-1])
    second = sides(changed.splits)
    assert len(second) == 69
    assert all(first[name] == side for name, side in second.items() if name in first)
    assert recorded(changed) == second


def moved_with(session, questions):
    """A session in a copy of the folder elsewhere, store and all, over other questions."""
    folder = session.experiment.folder
    there = folder.with_name(f"{folder.name}-moved")
    shutil.copytree(folder, there)
    write_jsonl(there / "train.jsonl", [{"input": q, "target": "yes"} for q in questions])
    return opened(there / "experiment.yaml")


def test_a_moved_folder_whose_file_changed_keeps_each_row_on_its_side(experiment):
    questions = [f"question {i}" for i in range(60)]
    session = experiment(questions)
    first = sides(session.splits)
    second = sides(moved_with(session, [f"new {i}" for i in range(20)] + questions[:10:-1]).splits)
    assert sum(name in first for name in second) == 49
    assert all(first[name] == side for name, side in second.items() if name in first)


def test_a_record_that_knows_the_file_by_where_it_was_is_found_from_elsewhere(experiment):
    questions = [f"question {i}" for i in range(60)]
    session = experiment(questions)
    first, config = sides(session.splits), session.experiment.config
    place = str(session.experiment.resolve("train.jsonl"))
    recipe = sha256_json([place, config.data.split.model_dump(exclude={"folds"}), config.seed])
    with session.store.connect() as con:
        con.execute("update experiment_splits set recipe = ?", [recipe])
    changed = [f"new {i}" for i in range(20)] + questions[:10:-1]
    second = sides(moved_with(session, changed).splits)
    assert all(first[name] == side for name, side in second.items() if name in first)


def test_another_experiment_with_a_file_of_that_name_elsewhere_has_a_split_of_its_own(experiment):
    session = experiment([f"question {i}" for i in range(60)])
    session.splits  # noqa: B018
    made = splits.made(session.store)
    there = replace(session.experiment, path=Path("/elsewhere/experiment.yaml"))
    other = there.config.model_copy(update={"experiment": "other", "seed": 0})
    assert earlier_split(replace(there, files={}), made) == made[0].split_id
    assert earlier_split(replace(there, config=other), made) is None


def test_other_shares_make_another_split(experiment):
    questions = [f"question {i}" for i in range(60)]
    first = sides(experiment(questions).splits)
    assert sides(experiment(questions, split={"test": 0.5}).splits) != first


@pytest.mark.parametrize(
    ("written", "kept"),
    [("80/10/10", (0.1, 0.1)), ("90/5/5", (0.05, 0.05)), ({"test": 0.2}, (0.0, 0.2))],
)
def test_a_split_is_written_as_shares_or_in_short(experiment, written, kept):
    split = experiment(["q"], split=written).experiment.config.data.split
    assert (split.validation, split.test) == kept


@pytest.mark.parametrize("written", ["80/10/5", "80/20", "a/b/c", "100/0/0"])
def test_a_short_split_that_is_none_is_refused(experiment, written):
    with pytest.raises(UserError, match="train/validation/test in percent, together 100"):
        experiment(["q"], split=written)


def test_plain_text_is_no_exam(experiment, tmp_path):
    session = experiment(["q"])
    write_jsonl(tmp_path / "train.jsonl", [{"text": f"Once {i}"} for i in range(20)])
    with pytest.raises(UserError, match="plain text asks nothing, and the validation set is asked"):
        opened(session.experiment.path).splits  # noqa: B018


def test_an_experiment_reads_a_saved_dataset_and_notices_when_it_changes(tmp_path):
    import datasets

    rows = [{"id": f"t{i:04d}", "input": f"question {i}", "target": "yes"} for i in range(4)]
    path = recorded_experiment(tmp_path, ["yes"] * 4, ["no"] * 4, data={"test": "saved"})
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    before = opened(path)
    assert [e.id for e in before.splits["test"]] == [row["id"] for row in rows]
    datasets.Dataset.from_list([{**row, "target": "maybe"} for row in rows]).save_to_disk(tmp_path / "saved")
    assert opened(path).id != before.id
    assert json.loads(before.experiment.frozen())["files"].keys() == {"saved", "prompted.jsonl", "tuned.jsonl"}


def test_a_dataset_that_cannot_be_fetched_is_told_with_the_setting(tmp_path):
    path = recorded_experiment(tmp_path, ["yes"], ["no"], data={"test": "hf:owner/name/test"})
    with pytest.raises(UserError, match=r"line \d+: `data.test` the dataset cannot be fetched"):
        opened(path)


def test_rows_set_aside_from_the_training_file_have_their_slices(experiment, tmp_path):
    session = experiment([f"question {i}" for i in range(60)])
    rows = [{"id": f"q{i}", "input": f"question {i}", "target": "yes", "plan": "ab"[i % 2]} for i in range(60)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    content = yaml.safe_load(session.experiment.path.read_text())
    session.experiment.path.write_text(yaml.safe_dump({**content, "task": {"slices": ["plan"]}}))
    tested = opened(session.experiment.path).splits["test"]
    assert {e.slices["plan"] for e in tested} == {"a", "b"}


LETTER = "Dear customer, thank you for your letter. We have looked into it with all due care and have come to this end:"


def near_group(session):
    return [finding for finding in loose_rows(session.experiment, session.files) if finding.check == "near_groups"]


def test_rows_that_share_a_template_are_split_all_the_same_and_told(experiment):
    session = experiment([f"{LETTER} {i}, {i * 7919 % 1000}." for i in range(60)])
    sizes = {name: len(part) for name, part in session.splits.items()}
    assert all(sizes.values()), sizes
    [finding] = near_group(session)
    assert finding.message.startswith("60 of the 60 rows to split are nearly the same as one another")
    assert "`data.split.by: COLUMN`" in finding.message
    assert len(finding.rows) == 60


def test_near_copies_that_would_leave_a_side_empty_are_split_and_told(experiment):
    families = [" ".join(f"{word}{family}" for word in LETTER.split()) for family in range(2)]
    session = experiment([f"{family} {'x' * copy}" for family in families for copy in range(1, 11)])
    assert all(session.splits.values())
    [finding] = near_group(session)
    assert len(finding.rows) == 20


def test_one_question_to_many_passages_is_split_by_what_the_prompt_shows(tmp_path):
    data = {"train": "train.jsonl", "split": "80/10/10"}
    task = {"prompt": "{{ passage }}\n{{ input }}"}
    path = recorded_experiment(tmp_path, [], [], data=data, task=task)
    rows = [
        {"input": "Which date?", "target": f"{i} May", "passage": f"letter {i} of {i * 7919 % 997}"} for i in range(60)
    ]
    write_jsonl(tmp_path / "train.jsonl", rows)
    session = opened(path)
    assert all(session.splits.values())
    assert near_group(session) == []
