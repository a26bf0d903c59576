"""One customer message of the demo world, and the two ways to route it.

`usual_route` is what anybody would guess: the topic decides the team, the mood decides the priority. `company_route` is
what Larkfield really wants, with the two exceptions nobody outside the company can know. Pretraining sees only the
first, and never both fields in one JSON answer; the fine-tuning data and the exam follow the second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from harness.demo.phrases import (
    CATEGORY,
    GREETINGS,
    HELD_OUT_MOODS,
    HELD_OUT_TOPICS,
    MOODS,
    PLAN_SENTENCES,
    PLANS,
    TOPICS,
)

TEAM = {
    "refund": "billing",
    "invoice": "billing",
    "delivery": "shipping",
    "damaged": "shipping",
    "login": "technical",
    "crash": "technical",
    "upgrade": "sales",
    "cancel": "sales",
}
PRIORITY = {"angry": "high", "calm": "normal", "happy": "low"}
TEAMS = (*dict.fromkeys(TEAM.values()), "retention")
PRIORITIES = tuple(PRIORITY.values())


@dataclass(frozen=True, slots=True)
class Message:
    """What a customer wrote, with everything the text says."""

    text: str
    topic: str
    mood: str
    plan: str
    product: str
    phrasing: str

    @property
    def usual_route(self) -> tuple[str, str]:
        """Team and priority by common sense."""
        return TEAM[self.topic], PRIORITY[self.mood]

    @property
    def company_route(self) -> tuple[str, str]:
        """Team and priority by the company's own policy: the gold plan is always urgent, and is never let go."""
        team, priority = self.usual_route
        if self.plan != "gold":
            return team, priority
        return ("retention" if self.topic == "cancel" else team), "high"

    @property
    def facts(self) -> dict[str, str]:
        """Every single thing one can ask about the message, by common sense."""
        team, priority = self.usual_route
        return {
            "topic": self.topic,
            "mood": self.mood,
            "plan": self.plan,
            "product": self.product,
            "category": CATEGORY[self.product],
            "team": team,
            "priority": priority,
        }


def draw_message(rng: Random, *, unseen: bool = False) -> Message:
    """A random message; `unseen` takes the topic sentence, and half of the moods, from the held-out phrasings."""
    topic, mood = rng.choice(list(TOPICS)), rng.choice(list(MOODS))
    plan, product = rng.choice(PLANS), rng.choice(list(CATEGORY))
    topics = HELD_OUT_TOPICS if unseen else TOPICS
    moods = HELD_OUT_MOODS if unseen and rng.random() < 0.5 else MOODS
    sentences = [
        rng.choice(topics[topic]).format(p=product),
        rng.choice(PLAN_SENTENCES).format(plan=plan),
        rng.choice(moods[mood]),
    ]
    rng.shuffle(sentences)
    text = " ".join(sentences)
    if rng.random() < 0.3:
        text = greet(rng.choice(GREETINGS), text)
    return Message(text, topic, mood, plan, product, "unseen" if unseen else "seen")


def greet(greeting: str, text: str) -> str:
    """Put the greeting in front; the sentence after the comma starts small, unless it starts with `I`."""
    if text.startswith(("I ", "I'")):
        return f"{greeting}, {text}"
    return f"{greeting}, {text[0].lower()}{text[1:]}"


def as_json(**fields: str) -> str:
    """The JSON spelling every answer of the demo uses."""
    return json.dumps(fields)


def target(message: Message) -> str:
    """The answer of the task: team and priority by the company's policy."""
    team, priority = message.company_route
    return as_json(team=team, priority=priority)
