"""Slices by a rule: length, language, label, and how near a question is to the training rows."""

import pytest

from suites.data.auto_slices import RULES, language, with_slices
from suites.errors import UserError
from suites.similarity.nearest import nearest
from suites.types import Example


def rows(*texts, targets=None):
    return [
        Example(str(i), {"input": text}, targets[i] if targets else "x", str(i), {"plan": "free"})
        for i, text in enumerate(texts)
    ]


def sliced(rule, asked, train=()):
    return [example.slices[f"auto:{rule}"] for example in with_slices([f"auto:{rule}"], asked, train)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("What is the status of my order?", "English"),
        ("Wo ist die Bestellung, und was ist mit der Rechnung?", "German"),
        ("Où est la facture que je vous ai demandée pour le mois de mai ?", "French"),
        ("¿Dónde está el pedido que hice para mi casa?", "Spanish"),
        ("Где мой заказ?", "Cyrillic script"),
        ("我的订单在哪里", "Han script"),
        ("Ref. XK-1182 Müller GmbH", "Latin script, language unclear"),
        ("12 + 30 =", "no letters"),
        ("", "no letters"),
    ],
)
def test_a_language_is_named_only_where_its_words_say_so(text, said):
    assert language(text) == said


def test_thirds_by_length_say_their_words():
    asked = rows(*("w " * n for n in (1, 2, 3, 4, 5, 6, 7, 8, 9)))
    assert sliced("length", asked) == ["up to 3 words"] * 3 + ["4 to 6 words"] * 3 + ["over 6 words"] * 3
    assert set(sliced("length", rows("a b", "c d"))) == {"up to 2 words"}


def test_the_nearest_training_row_says_whether_a_question_is_new():
    train = rows("where is my order", "cancel the subscription please", "!?")
    asked = rows("Where is my order?", "where is my invoice", "how warm is the sun in june", "")
    assert nearest([e.input for e in asked], [e.input for e in train]) == pytest.approx([1, 3 / 5, 1 / 10, 0])
    assert [name.split(":")[0] for name in sliced("nearest", asked, train)] == ["near", "near", "far", "far"]


def test_labels_are_the_targets_where_these_are_labels():
    assert sliced("label", rows("a", "b", targets=["yes", "no "])) == ["yes", "no"]
    with pytest.raises(UserError, match="51 different ones"):
        sliced("label", rows(*["x"] * 51, targets=[str(i) for i in range(51)]))
    with pytest.raises(UserError, match="and there are none"):
        sliced("nearest", rows("a"))


def test_a_column_stays_beside_the_rules():
    [example] = with_slices([f"auto:{rule}" for rule in RULES if rule != "label"], rows("hello"), rows("hello there"))
    assert example.slices == {
        "plan": "free",
        "auto:length": "up to 1 word",
        "auto:language": "Latin script, language unclear",
        "auto:nearest": "related: 30% to 60%",
    }
