"""What differs between two frozen experiment files, so that a rule changed after results were seen is visible."""

from __future__ import annotations

import json
from dataclasses import dataclass

from reports.data import Frozen

# Settings that say what counts as better; all others say what is tried, and are only named.
RULES = ("policy", "task.metrics", "task.primary", "task.schema", "task.slices", "regression", "judge", "data.findings")


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule with its value (canonical JSON) in the earlier file and in this one; `None` where it is not set."""

    rule: str
    before: str | None
    now: str | None


def changed_rules(before: Frozen, now: Frozen) -> list[Difference]:
    """Rules that differ between two frozen files, in order of their names."""
    one, other = (_leaves(frozen.config) for frozen in (before, now))
    changed = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    return [Difference(name, one.get(name), other.get(name)) for name in changed if _is_rule(name)]


def changed_otherwise(before: Frozen, now: Frozen) -> list[str]:
    """The names of all other settings and files that differ; what an experiment is called does not count."""
    one, other = ({**_leaves(frozen.config), **frozen.files} for frozen in (before, now))
    changed = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return [name for name in changed if not _is_rule(name) and name != "experiment"]


def _is_rule(name: str) -> bool:
    return any(name == rule or name.startswith(f"{rule}.") for rule in RULES)


def _leaves(value: object, name: str = "") -> dict[str, str]:
    """Settings by dotted name; what is not set is left out."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, item in items for k, v in _leaves(item, f"{name}.{key}" if name else str(key)).items()}
    return {} if value is None else {name: json.dumps(value, sort_keys=True)}
