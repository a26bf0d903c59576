"""Shots that are found for each question: the nearest, varied ones, as many as fit, and never one that gives away."""

import json

import pytest
import tiny_models
import yaml
from workspaces import opened, write_jsonl

from baselines.prompters.few_shot import FewShot, build
from baselines.prompters.types import Given
from baselines.retrieval.bm25 import Index
from baselines.retrieval.shots import varied
from harness.config.schema import ExperimentConfig
from harness.experiment.arms import base_arms
from harness.experiment.load import load_experiment
from harness.pipeline.check import of_bar
from harness.pipeline.check_shots import shot_findings
from suites.errors import UserError
from suites.types import Example


def row(name, text, target="x", cluster=None):
    return Example(name, {"input": text, "target": target}, target, cluster or name)


POOL = [
    row("lost", "I lost my card yesterday", "lost_card"),
    row("pin", "My pin does not work", "pin"),
    row("fee", "Why was a fee charged for cash", "fee"),
    row("cash", "The machine gave no cash", "cash"),
    row("rate", "Which exchange rate do you use for money sent abroad", "rate"),
    row("stolen", "Somebody stole my card", "lost_card"),
]


def prompter(pool=POOL, **settings):
    return build(FewShot(**settings), Given("p", "Route.", pool))


def shots(made, *asked):
    """The inputs of the shots that each question is shown."""
    return [[m["content"] for m in p.messages if m["role"] == "user"][:-1] for p in made.prompts(asked)]


# --- ranking ---------------------------------------------------------------------------------------------------------


def test_only_texts_that_share_a_word_are_found_the_best_first_and_of_equals_the_first():
    index = Index(["the cat sat", "a dog ran", "", "the cat sat", "C# and C++", "银行卡丢了"])
    assert [at for at, _ in index.best("Cat!", 3)] == [0, 3]
    assert [at for at, _ in index.best("the cat sat", 1)] == [0]
    assert index.best("zebra", 3) == index.best("", 3) == []
    assert [at for at, _ in index.best("我的卡", 3)] == [5], "a script without spaces is searched by its characters"
    assert Index([]).best("cat", 3) == Index(["", " "]).best("cat", 3) == []


# --- which, and in which order ---------------------------------------------------------------------------------------


def test_the_nearest_are_shown_the_nearest_of_all_next_to_the_question():
    asked = row("q", "I lost my card and my pin")
    nearest = ["Somebody stole my card", "My pin does not work", "I lost my card yesterday"]
    assert shots(prompter(shots=3, choose="nearest"), asked) == [nearest]
    assert shots(prompter(shots=2, choose="nearest"), asked) == [nearest[1:]]


def test_a_question_that_is_like_none_is_shown_those_that_any_is_shown():
    [found] = shots(prompter(shots=3, choose="nearest"), row("q", "Bonjour"))
    assert len(set(found)) == 3


def test_the_order_of_the_same_shots_may_be_drawn_or_end_with_the_nearest():
    asked = row("q", "I lost my card")
    drawn = shots(prompter(shots=6, choose="random", order="seeded"), asked, row("r", "no cash"))
    assert drawn[0] == drawn[1], "all questions are shown the same"
    near = shots(prompter(shots=6, choose="random", order="nearest_last"), asked, row("r", "no cash"))
    assert sorted(near[0]) == sorted(drawn[0])
    assert [each[-1] for each in near] == ["I lost my card yesterday", "The machine gave no cash"]
    once = shots(prompter(shots=4, choose="nearest", order="seeded"), asked)
    assert once == shots(prompter(shots=4, choose="nearest", order="seeded"), asked)


def test_varied_shots_stand_for_most_of_the_pool():
    texts = ["card lost a", "card lost b", "card lost c", "cash fee a", "cash fee b", "hello"]
    chosen = varied(tuple(texts), 2, 0)
    assert {texts[at][:4] for at in chosen} == {"card", "cash"}
    assert len(set(varied(tuple(texts), 6, 0))) == 6


def test_what_any_question_is_shown_is_independent_of_what_else_is_asked():
    made, asked = prompter(shots=3, choose="nearest"), [row("q", "my card"), row("r", "cash fee"), row("s", "Bonjour")]
    assert shots(made, *asked) == [shots(made, one)[0] for one in asked]


# --- never what gives the answer away --------------------------------------------------------------------------------

CLUSTERED = [*POOL, row("mate", "Thank you for my card", "thanks", "thread 9")]
ASKED = [
    row("near", "Which exchange rates do you use for money sent abroad?"),
    row("mate_of", "my card", cluster="thread 9"),
    row("same", "my pin does not work"),
]


@pytest.mark.parametrize("choose", ["balanced", "random", "diverse", "nearest"])
@pytest.mark.parametrize("order", [None, "nearest_last"])
def test_no_question_is_shown_itself_nearly_itself_or_its_cluster_and_each_is_named(choose, order):
    made = prompter(CLUSTERED, shots=7, choose=choose, order=order)
    near, mate, same = shots(made, *ASKED)
    assert "Which exchange rate do you use for money sent abroad" not in near
    assert "Thank you for my card" not in mate
    assert "My pin does not work" not in same
    assert len(near) == len(mate) == len(same) == 6
    assert {(b.example.id, b.row.id, b.how) for b in made.kept_back(ASKED)} == {
        ("near", "rate", "near"), ("mate_of", "mate", "cluster"), ("same", "pin", "same"),
    }  # fmt: skip


def test_the_row_that_is_kept_back_leaves_its_place_to_the_next():
    assert len(shots(prompter(CLUSTERED, shots=3, choose="nearest"), *ASKED)[2]) == 3


# --- identity --------------------------------------------------------------------------------------------------------


def test_an_experiment_that_chooses_as_ever_keeps_its_record_and_its_digest():
    plain = ExperimentConfig.model_validate({"experiment": "x", "data": {}, "baselines": [{"few_shot": {"shots": 4}}]})
    assert plain.baselines[0].model_dump()["few_shot"] == {"prompt": None, "shots": 4}
    assert prompter(shots=4).digest == "42418fda844c0c38a8b75203e93202a005dd6ed00eda8846f35de7a9578b0506"


def test_another_rule_or_another_pool_is_another_prompt():
    made = [
        prompter(shots=3, choose="nearest"), prompter(shots=2, choose="nearest"),
        prompter(POOL[1:], shots=3, choose="nearest"),
        prompter(shots=3, choose="nearest", order="seeded"), prompter(shots=3), prompter(shots=3, choose="random"),
    ]  # fmt: skip
    assert len({each.digest for each in made}) == len(made)


def test_prompts_are_called_after_what_they_choose():
    from baselines.prompters.few_shot import label

    assert label(FewShot()) == "few-shot 8"
    assert label(FewShot(shots="max", choose="nearest", order="seeded")) == "few-shot max nearest seeded"


# --- as many as fit --------------------------------------------------------------------------------------------------


class Words:
    """A room in which a word is a token, and a turn costs one more."""

    digest = "words"

    def __init__(self, tokens):
        self.tokens = tokens

    def lengths(self, prompts):
        return [sum(len(m["content"].split()) + 1 for m in prompt) for prompt in prompts]


def fitting(tokens, **settings):
    return build(FewShot(shots="max", **settings), Given("p", "Route.", POOL, room=lambda: Words(tokens)))


def test_as_many_shots_as_fit_to_the_last_token_and_the_least_like_it_go_first():
    asked = row("q", "I lost my card")
    everything = fitting(10_000, choose="nearest")
    [whole] = everything.prompts([asked])
    [length] = Words(0).lengths([whole.messages])
    assert everything.finder.counts([asked]) == [6]
    assert fitting(length, choose="nearest").finder.counts([asked]) == [6]
    one_short = fitting(length - 1, choose="nearest")
    assert one_short.finder.counts([asked]) == [5]
    assert shots(one_short, asked)[0] == shots(everything, asked)[0][1:]


def test_shots_that_are_common_are_left_out_from_the_end_so_that_prompts_begin_alike():
    asked = [row("q", "card"), row("r", "a question of more words than the other one")]
    long, short = shots(fitting(45, choose="balanced"), *asked)
    assert len(short) < len(long)
    assert long[: len(short)] == short


def test_where_no_shot_fits_none_is_shown():
    assert shots(fitting(3), row("q", "I lost my card")) == [[]]


def test_a_pool_smaller_than_the_shots_and_an_empty_one_are_refused():
    with pytest.raises(UserError, match="9 shots from 6 training rows"):
        prompter(shots=9, choose="nearest")
    with pytest.raises(UserError, match="0 training rows"):
        prompter([], shots="max")


TEXTS = [
    "a lost card",
    "where is cash",
    "exchange today",
    "my pin fails",
    "open late",
    "a fee again",
    "no transfer yet",
]

# --- in an experiment ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("base"))


def experiment(folder, base, pool=CLUSTERED, asked=ASKED, **settings):
    for name, examples in (("train", pool), ("validation", asked[:1]), ("test", asked)):
        write_jsonl(folder / f"{name}.jsonl", [{"id": e.id, **e.columns, "cluster": e.cluster} for e in examples])
    content = {
        "experiment": "x", "model": str(base), "regression": [], "candidate": {"recorded": "tuned.jsonl"},
        "data": {name: f"{name}.jsonl" for name in ("train", "validation", "test")}, "task": {"max_new_tokens": 8},
        "baselines": [{"few_shot": {"shots": 3, "choose": "nearest"}}], **settings,
    }  # fmt: skip
    content = {name: value for name, value in content.items() if value is not None}
    (folder / "tuned.jsonl").write_text("".join(json.dumps({"id": e.id, "completion": "x"}) + "\n" for e in asked))
    (folder / "e.yaml").write_text(yaml.safe_dump(content))
    return folder / "e.yaml"


def told(path):
    session = opened(path)
    bar = base_arms(session.experiment, session.splits)
    return [finding for finding in shot_findings(bar, session.splits) if "test" in finding.message]


def test_a_check_names_the_rows_that_are_kept_back(tmp_path, base):
    [finding] = told(experiment(tmp_path, base))
    assert (finding.level, finding.check, finding.rows) == ("warn", "shots_kept_back", ("near", "mate_of", "same"))
    assert finding.message == (
        "training rows that few-shot 3 nearest may show give the answers to 3 of the 3 test questions away, and are "
        "not shown to them: near is nearly the same as train row rate ('Which exchange rate do you use for money sent "
        "abroad'); mate_of is of the cluster of train row mate ('Thank you for my card'); same is the same as train "
        "row pin ('My pin does not work')"
    )


def test_a_check_tells_how_many_shots_fit_into_what_the_base_reads(tmp_path, base):
    pool = [row(f"r{i}", f"message number {i} about something", f"t{i % 3}") for i in range(40)]
    asked = [row("a", "message about something"), row("b", "short"), row("c", "long " * 25)]
    path = experiment(tmp_path, base, pool, asked, baselines=[{"few_shot": {"shots": "max"}}])
    [finding] = told(path)
    assert (finding.level, finding.check) == ("info", "shots_fit")
    assert "3 of 3 prompts have no place for all 40 within 248 tokens" in finding.message
    session = opened(path)
    [arm] = base_arms(session.experiment, session.splits)
    lengths = arm.prompter.finder.room.lengths([prompt.messages for prompt in arm.prompter.prompts(asked)])
    assert max(lengths) <= 248
    assert min(lengths) > 200, "no shot more would have fit"


def test_folds_whose_rows_all_train_keep_nothing_back(tmp_path, base):
    data = {"train": "train.jsonl", "split": {"folds": 3}}
    pool = [row(f"r{i}", text, f"t{i % 2}") for i, text in enumerate(TEXTS)]
    path = experiment(tmp_path, base, pool, candidate=None, training={"method": "lora"}, data=data)
    assert not [finding for finding in of_bar(opened(path)) if finding.check == "shots_kept_back"]


def test_how_many_fit_is_not_asked_of_a_model_behind_an_endpoint(tmp_path):
    server = {"endpoint": "http://localhost:1/v1", "name": "m"}
    path = experiment(tmp_path, "", model=server, baselines=[{"few_shot": {"shots": "max"}}])
    with pytest.raises(UserError, match="say how many shots, as in `shots: 8`"):
        load_experiment(path)
