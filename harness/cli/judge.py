"""harness judge audit: what verdicts in a file are worth, by what people said of the same pairs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.arguments import Commands, add_command

if TYPE_CHECKING:
    from harness.judge.files import FileAudit

FEW = 5
"""Pairs to label next that are listed unless more are asked for."""


def add_audit(commands: Commands) -> None:
    """The command that audits judges."""
    text = "what a judge's verdicts in a file are worth, by what people said of the same pairs"
    command = add_command(commands, "judge audit", text, audit)
    command.add_argument("--verdicts", type=Path, required=True, metavar="FILE",
                         help="rows of id, order, verdict, length_a, length_b; or of id, score")  # fmt: skip
    command.add_argument("--labels", type=Path, required=True, metavar="FILE",
                         help="rows of id, annotator, label; or of id, annotator, score")  # fmt: skip
    text = "the share of labelled pairs it must agree with (default: that of `policy.judge.agreement`, 0.8)"
    command.add_argument("--agreement", type=_share, metavar="SHARE", help=text)
    command.add_argument(
        "--next", type=int, default=FEW, metavar="N", help="list N pairs that people should label next"
    )
    command.add_argument("--json", action="store_true", help="JSON on stdout, with everything that was measured")


def _share(text: str) -> float:
    """A share of pairs."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"a share is a number between 0 and 1, not {text!r}")
    return share


def audit(options: argparse.Namespace) -> int:
    """Print what is known of every judge of a file. Nothing is written, and no model is asked."""
    from harness.config.policy import JudgeRule, Policy
    from harness.judge.files import audit_files

    policy = Policy(judge=JudgeRule(agreement=options.agreement)) if options.agreement else Policy()
    found = audit_files(options.verdicts, options.labels, policy, options.next)
    if options.json:
        print(json.dumps(_as_json(found), indent=2, allow_nan=False))
        return 0
    from harness.view.judge_audit import show_audit

    show_audit(found, policy.judge.agreement)
    return 0


def _as_json(found: FileAudit) -> dict[str, Any]:
    """Everything, measures by their name."""
    whole = asdict(found)
    for judge in whole["judges"]:
        judge["measures"] = {measure.pop("name"): measure for measure in judge["measures"]}
    return whole
