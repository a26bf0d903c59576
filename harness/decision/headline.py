"""What a deploy may claim in its first sentence: what was asked and shown, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from harness.decision.gates import Gate
from harness.decision.wording import lost_points, title

BEATS = "Deploy: the fine-tune beats the best prompt"
AS_GOOD = "Deploy: the candidate is as good as the best prompt, within your margin, and cheaper by what you asked for"
KEEPS_ALL = "loses nothing beyond what you allow"
KEEPS_TOGETHER = (
    "its regression suites lose no more on average than you allow, and none was seen to lose more than its own margin"
)
KEEPS = {False: " and", True: "; it"}
"""How the claim about losses follows, by whether the goal was to be as good."""


def deploy_headline(gates: Sequence[Gate], overridden: Sequence[str] = ()) -> str:
    """The first sentence of a deploy, made of its gates, and the careful defaults that were set aside for it.

    That nothing was lost is said only where regression suites were asked for that could have stopped it.
    """
    suites = [gate for gate in gates if is_suite_of_base(gate)]
    decisive = [gate for gate in suites if gate.tier != "advisory"]
    as_good = any(gate.rule.name == "as_good" for gate in gates)
    reached = AS_GOOD if as_good else BEATS
    kept = f"; {KEEPS_TOGETHER}" if any(gate.id == "together" for gate in gates) else f"{KEEPS[as_good]} {KEEPS_ALL}"
    claim = f"{reached}{kept}." if decisive else f"{reached}; {_not_asked(suites)}."
    losses = [
        f"{title(gate)} lost {lost_points(gate.comparison)}"
        for gate in gates
        if gate.kind == "harm" and gate.tier == "advisory" and gate.status == "fail" and gate.comparison
    ]
    told = f" Advisory, and not counted: {'; '.join(losses)}." if losses else ""
    return claim + told + (f" Set aside for it: {', '.join(f'`{name}`' for name in overridden)}." if overridden else "")


def is_suite_of_base(gate: Gate) -> bool:
    """Whether a gate is about what the candidate's own base could do."""
    return gate.id.startswith("regression/") and not (gate.comparison and gate.comparison.of_bar)


def _not_asked(suites: Sequence[Gate]) -> str:
    if not suites:
        return "no regression suite was asked, so what else it lost is not known"
    return f"regression suites were only advisory ({', '.join(map(title, suites))})"
