"""A support desk: conversations with two tools, and the embedded model with a chat template that shows tools."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import yaml
from workspaces import write_jsonl

# Tools by their names, and calls as Llama 3 writes them: JSON is what the embedded model can write.
TEMPLATE = (
    "<s>{% if tools %}<|system|>Tools:{% for t in tools %} {{ t.function.name }}{% endfor %}<|end|>{% endif %}"
    "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{{ m.content }}{% for c in m.tool_calls or [] %}"
    '{"name": "{{ c.function.name }}", "parameters": {{ c.function.arguments | tojson }}}{% endfor %}<|end|>'
    "{% else %}<|{{ 'user' if m.role == 'tool' else m.role }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PRODUCTS = ["laptop", "phone", "printer", "camera", "tablet", "router", "monitor", "keyboard"]
NAMES = [
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jan", "Kira", "Leo", "Mia", "Nora", "Otto",
    "Pia", "Quinn", "Rosa", "Sam", "Tom",
]  # fmt: skip
ASKED = [
    "Hello, this is {}. Where is my {}?",
    "{} here, what about my {}?",
    "My name is {} and my {} did not come.",
    "I am {} and I wait for a {}.",
]
THANKS, BACK = ["Thank you!", "Great, thanks.", "Good to hear."], ["Then give me the money back.", "I want a refund."]


def tool(name: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"product": {"type": "string"}}, "required": ["product"]}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


TOOLS = [tool("order"), tool("refund")]


def called(name: str, product: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps({"product": product})}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": name, "type": "function", "function": function}],
    }


def conversation(draw: random.Random, name: str, product: str) -> list[dict[str, Any]]:
    """Three answers: a call, what it came to, and then a refund or good words."""
    late = draw.random() < 0.5
    said = f"The {product} is {'late' if late else 'sent'}."
    turns = [
        {"role": "user", "content": draw.choice(ASKED).format(name, product)},
        called("order", product),
        {"role": "tool", "tool_call_id": "order", "content": "late" if late else "sent"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": draw.choice(BACK if late else THANKS)},
    ]
    return [*turns, called("refund", product) if late else {"role": "assistant", "content": "You are welcome."}]


def desk(folder: Path, **settings: Any) -> Path:
    """The experiment: 100 conversations to learn from, 10 to choose on, 40 to decide by."""
    base = Path(__file__).parents[1] / "harness" / "demo" / "model"
    shutil.copytree(base, folder / "model")
    (folder / "model" / "chat_template.jinja").write_text(TEMPLATE)
    draw = random.Random(1)
    pairs = [(name, product) for name in NAMES for product in PRODUCTS]
    draw.shuffle(pairs)
    for split, part in (("train", pairs[:100]), ("validation", pairs[100:110]), ("test", pairs[110:150])):
        write_jsonl(folder / f"{split}.jsonl", [{"messages": conversation(draw, *pair)} for pair in part])
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    content = {
        "experiment": "desk",
        "model": "model",
        "data": {**{name: f"{name}.jsonl" for name in ("train", "validation", "test")}, "turns": "all"},
        "task": {
            "prompt": "Help the customer.",
            "metrics": ["exact_match", "tool_calls", "tool_name", "tool_arguments"],
            "max_new_tokens": 40,
            "tools": "tools.json",
            "slices": ["turn"],
        },
        "baselines": ["zero_shot"],
        "training": {"method": "full", "epochs": 8, "learning_rate": 0.001, "probe": 8},
        # The embedded model can do nothing of this, and anything is a great gain over that.
        "policy": {"constant_answers": "warn", "suspicious_gain": 1.0},
        "regression": [],
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
