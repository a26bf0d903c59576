"""The decision as Markdown: the first screen says what to do and why, the rest is the evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from reports.data import ReportData, Row
from reports.format.numbers import amount, span
from reports.format.text import block, cell, table
from reports.outputs import plots
from reports.sections import changed_rules, costs, findings, flips, training

MARKS = {"pass": "✅\u00a0pass", "fail": "❌\u00a0fail", "unknown": "❔\u00a0open"}


def write(data: ReportData, folder: Path) -> Path:
    """Write `report.md` and its pictures into `folder`; returns the path of the report."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = plots.draw(data, folder)
    path = folder / "report.md"
    path.write_text(render(data, pictures), encoding="utf-8")
    return path


def render(data: ReportData, pictures: dict[str, str]) -> str:
    """The whole report; `pictures` maps a plot's name to its file beside the report."""
    sections = [
        first_screen(data),
        _comparisons(data, pictures),
        _slices(data, pictures),
        costs.section(data, pictures),
        _choice(data),
        flips.section(data),
        _judge(data),
        _validity(data),
        findings.section(data),
        _earlier(data),
        training.section(data, pictures),
        _record(data),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def first_screen(data: ReportData) -> str:
    """What to do and why, every rule with its numbers, and the arms side by side; refers to no other file."""
    return "\n\n".join(section for section in (_verdict(data), _gates(data), _arms(data)) if section)


def _verdict(data: ReportData) -> str:
    decision = data.decision
    return (
        f"# {cell(decision['name'])}\n\n"
        f"> **{cell(decision['headline'])}** {cell(decision['reason'])}\n>\n"
        f"> **Next:** {cell(decision['next_step'])}\n>\n"
        f"{_caution(data)}{findings.caution(data)}"
        f"> (Verdict `{decision['verdict']}`, exit {decision['exit_code']}.)"
    )


def _caution(data: ReportData) -> str:
    """Rules that were changed after results on this test set were known belong on the first screen."""
    changed = sorted({found.rule for row in data.earlier if row["known_before"] for found in _changed(data, row)})
    if not changed:
        return ""
    names = cell(", ".join(changed))
    return f"> **Mind:** rules changed after a result on this test set was known: {names} (see Earlier decisions).\n>\n"


def _gates(data: ReportData) -> str:
    legend = (
        "Measured: the candidate's score minus that of the best prompt (on regression suites: of the base model), in "
        f"brackets the range in which the true difference lies with {data.config['policy']['confidence']:.0%} "
        "confidence (for losses, with that confidence at each end), and the number of examples; +0.010 is one "
        "percentage point. ✅ the rule holds, ❌ it is broken, ❔ these examples cannot tell."
    )
    return f"{_gate_table(data.first_gates())}\n\n{legend}"


def _validity(data: ReportData) -> str:
    return f"## Can these numbers be compared?\n\n{_gate_table(data.validity_gates())}"


def _gate_table(gates: Sequence[Row]) -> str:
    rows = [[_gate_name(g), cell(g["rule"]), cell(g["measured"]), MARKS[g["status"]]] for g in gates]
    return table(["gate", "rule", "measured", ""], rows)


def _gate_name(gate: Row) -> str:
    """Advisory rules are told and decide nothing; that has to be said beside them."""
    return cell(gate["name"]) + (" (advisory)" if gate["tier"] == "advisory" else "")


def _arms(data: ReportData) -> str:
    """Every arm on the task's test set: score with interval, other metrics, tokens and seconds per answer."""
    arms = data.arms_on("task")
    if not arms:
        return ""
    primary = arms[0]["metric"]
    metrics = [m for m in data.config["task"]["metrics"] if m != primary]
    priced = any(arm["cost"] is not None for arm in arms)
    header = ["arm", primary, *metrics, "n", "tokens in / out", "p95 seconds", *(["per 1,000 requests"] * priced)]
    rows = []
    for arm in arms:
        others = [_percent(data.score(arm["run_id"], metric)["mean"]) for metric in metrics]
        costs = [_tokens(arm), _seconds(arm), *([_cost(arm)] * priced)]
        rows.append([_arm_name(arm), _with_interval(arm), *others, _count(arm), *costs])
    legend = "Bold: each side's prompt, chosen on validation. Seconds are a request's share of its batch."
    told = f"\n\n{cell(data.break_even['told'])}" if data.break_even else ""
    return f"{table([cell(h) for h in header], rows)}\n\n{legend}{told}"


def _comparisons(data: ReportData, pictures: dict[str, str]) -> str:
    found = data.compared("task", "metric", "regression", "judge")
    if not found:
        return ""
    rows = [
        [cell(c["suite"] if c["kind"] == "regression" else c["kind"]), cell(c["metric"]), *_numbers(c)] for c in found
    ]
    note = (
        f"Candidate: {cell(found[0]['candidate_arm'])}; best prompt: {cell(found[0]['baseline_arm'])}. The task's "
        f"interval is two-sided at {found[0]['confidence']:.0%}; each end of the others is a one-sided bound at that "
        "confidence, because the question there is only whether something got worse. p is two-sided, against no "
        "difference. Limit: the gain asked for on the task, the loss tolerated elsewhere. n: the examples that both "
        "sides have a score for; only they are compared. Detects: the smallest true difference that such an exam tells "
        f"from none in four of five tries. {cell(data.facts.get('uncertainty', ''))}"
    )
    header = ["compared on", "metric", "best prompt or base", *NUMBERS]
    return f"## What changed\n\n{_picture('Differences', 'forest', pictures)}{table(header, rows)}\n\n{note}"


def _slices(data: ReportData, pictures: dict[str, str]) -> str:
    """The gain on the primary metric, part by part."""
    found = data.compared("slice")
    if not found:
        return ""
    rows = [[cell(c["slice"]), *_numbers(c)] for c in found]
    note = (
        "Slices are small, and among many of them some look bad by chance: harm is claimed only where it stays shown "
        "after Holm's correction over all slices. Here p is uncorrected, and each end of an interval a one-sided bound."
    )
    header = ["slice", "best prompt", *NUMBERS]
    picture = _picture("Gain by slice", "slices", pictures)
    return f"## Gain by slice ({cell(found[0]['metric'])})\n\n{picture}{table(header, rows)}\n\n{note}"


NUMBERS = ["candidate", "difference", "limit", "n", "detects", "p", "method"]


def _numbers(c: Row) -> list[str]:
    """A comparison as the cells under its baseline and `NUMBERS`."""
    limit = _signed(c["margin"] if c["kind"] == "task" else -c["margin"], c["relative"])
    scores = [_percent(c["baseline"]), _percent(c["candidate"])]
    detects = "—" if c["detectable"] is None else _signed(c["detectable"], c["relative"])
    return [*scores, _difference(c), limit, _pairs(c), detects, _p_value(c["p_value"]), cell(c["method"])]


def _picture(title: str, name: str, pictures: dict[str, str]) -> str:
    return f"![{title} with intervals]({pictures[name]})\n\n" if name in pictures else ""


def _choice(data: ReportData) -> str:
    """How the prompts were chosen: on validation, before the test set was touched."""
    arms = data.arms_on("validation")
    if not arms:
        return ""
    rows = [[_arm_name(arm), arm["side"], _with_interval(arm), _count(arm), _tokens(arm)] for arm in arms]
    return (
        "## How the prompts were chosen\n\nOn validation, before the test set was touched. Bold: chosen.\n\n"
        f"{table(['arm', 'model', 'score', 'n', 'tokens in / out'], rows)}"
    )


def _judge(data: ReportData) -> str:
    """What the judge's word rests on."""
    evidence = [row for row in data.evidence if row["topic"] == "judge"]
    if not evidence:
        return ""
    distrust = data.facts["judge"]
    trust = f"The judge is **advisory**: {cell(distrust)}." if distrust else "The judge is **trusted** to veto."
    rows = [[cell(JUDGE_NAMES[e["name"]]), _evidence(e), f"{e['n']:,}"] for e in evidence]
    asked = (
        "Every pair is shown in both orders; a judge that contradicts itself when the order is turned has said "
        "tie. Equal answers are a tie without asking."
    )
    return f"## The judge\n\n{trust} {asked}\n\n{table(['measured', 'value', 'n'], rows)}"


JUDGE_NAMES = {
    "agreement": "agrees with the labelled pairs",
    "kappa": "the same beyond chance (Cohen's kappa)",
    "consistency": "says the same in both orders",
    "first_slot": "prefers whatever is shown first (0.5 is fair)",
    "metric_agreement": "is right where the task's own metric tells the answers apart",
    "readable": "verdicts that could be read",
}


def _evidence(row: Row) -> str:
    if row["value"] is None:
        return "nothing to measure"
    interval = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.3f}{interval}"


def _earlier(data: ReportData) -> str:
    """Decisions on the same questions before this one, and which of the rules they were made by differ."""
    title = "## Earlier decisions on this test set"
    if not data.earlier:
        return f"{title}\n\nNone: these test examples decided here for the first time." if data.arms else ""
    rows = []
    for row in data.earlier:
        changed = [_rule(found) for found in _changed(data, row)]
        others = cell(", ".join(changed_rules.changed_otherwise(json.loads(row["frozen"]), _frozen(data))))
        when = f"{row['decided_at']:%Y-%m-%d %H:%M}" + ("" if row["known_before"] else " (while this one ran)")
        rows.append([cell(row["name"]), when, f"`{row['verdict']}`", "; ".join(changed) or "none", others or "nothing"])
    header = ["experiment", "decided", "verdict", "rules changed since (then → now)", "also different"]
    note = (
        "Every decision above looked at these test examples. A rule changed after a result was known proves less than "
        "one that was fixed before."
    )
    return f"{title}\n\n{table(header, rows)}\n\n{note}"


def _changed(data: ReportData, earlier: Row) -> list[changed_rules.Difference]:
    return changed_rules.changed_rules(json.loads(earlier["frozen"]), _frozen(data))


def _frozen(data: ReportData) -> Row:
    return {"config": data.config, "files": data.files}


def _rule(found: changed_rules.Difference) -> str:
    return f"**{cell(found.rule)}**: {cell(found.before or 'not set')} → {cell(found.now or 'not set')}"


TOLD = ("judge", "uncertainty", "leaks", "learning_curve")  # facts with a place of their own


def _record(data: ReportData) -> str:
    """What was run, and how to run it again."""
    stages = table(["stage", "seconds"], [[cell(s["stage"]), f"{s['seconds']:.1f}"] for s in data.stages])
    models = sorted({(row["side"], row["model_name"]) for row in data.arms})
    facts = [[cell(key), cell(str(value))] for key, value in data.facts.items() if key not in TOLD]
    facts += [[cell(f"model ({side})"), cell(Path(name).name)] for side, name in models]
    facts += [[cell(f"server ({e['name']})"), cell(e["note"])] for e in data.evidence if e["topic"] == "endpoint"]
    facts += [[cell(name), cell(digest)] for name, digest in data.files.items()]
    again = block(f"harness run {Path(data.decision['file']).name}")
    return f"## What was run\n\n{again}\n\n{_folds(data)}{stages}\n\n{table(['fact', 'value'], facts)}"


def _folds(data: ReportData) -> str:
    """What each fold of a cross-validation was trained on, and how its own exam went."""
    if not data.folds:
        return ""
    rows = []
    for fold in data.folds:
        both = None not in (fold["baseline"], fold["candidate"])
        change = _signed(fold["candidate"] - fold["baseline"], share=False) if both else "—"
        scores = [f"{_percent(fold[side])} ({cell(fold[f'{side}_arm'] or '—')})" for side in ("baseline", "candidate")]
        trained = ["—", "—"] if fold["n_rows"] is None else [f"{fold['n_rows']:,}", f"{fold['training_seconds']:.0f}"]
        rows.append([str(fold["fold"]), *trained, "—" if fold["n"] is None else f"{fold['n']:,}", *scores, change])
    header = ["fold", "rows trained on", "seconds", "rows tested on", "best prompt", "fine-tune", "difference"]
    note = (
        "Every row is tested once, in its fold; the next fold is the validation set, and the rest trains. How far the "
        "differences of the folds lie apart shows what another training on other rows may do. Where costs count the "
        "seconds of training, they are those of one training on all rows, at what a row took here."
    )
    return f"{table(header, rows)}\n\n{note}\n\n"


def _arm_name(arm: Row) -> str:
    name = cell(arm["arm"])
    return f"**{name}**" if arm["chosen"] else name


def _with_interval(arm: Row) -> str:
    if arm["mean"] is None:
        return "—"
    interval = "" if arm["low"] is None else f" [{arm['low'] * 100:.1f},\u00a0{arm['high'] * 100:.1f}]"
    return f"{_percent(arm['mean'])}{interval}"


def _count(arm: Row) -> str:
    return f"{arm['n']:,}" + (f" ({arm['n_unscored']:,} without a score)" if arm["n_unscored"] else "")


def _tokens(arm: Row) -> str:
    return "—" if arm["mean_tokens_in"] is None else f"{arm['mean_tokens_in']:.0f} / {arm['mean_tokens_out']:.0f}"


def _seconds(arm: Row) -> str:
    if arm["p95_seconds"] is None:
        return "—"
    return f"{amount(arm['p95_seconds'])}{span(arm['p95_low'], arm['p95_high'], amount)}"


def _cost(arm: Row) -> str:
    return costs.money(arm, "cost") or "—"


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _difference(c: Row) -> str:
    if c["difference"] is None:
        return "—"
    share = c["relative"]
    interval = "" if c["low"] is None else f" [{_signed(c['low'], share)},\u00a0{_signed(c['high'], share)}]"
    return f"{_signed(c['difference'], share)}{interval}"


def _signed(value: float, share: bool) -> str:
    """A difference of scores, or a share of the baseline's score."""
    return f"{value:+.1%}" if share else f"{value:+.3f}"


def _pairs(c: Row) -> str:
    clusters = f" in {c['n_clusters']:,} clusters" if c["n_clusters"] != c["n"] else ""
    unscored = f" ({c['n_unscored']:,} without a score)" if c["n_unscored"] else ""
    return f"{c['n']:,}{clusters}{unscored}"


def _p_value(p: float | None) -> str:
    if p is None:
        return "—"
    return "&lt;\u00a00.0001" if p < 0.0001 else f"{p:.4f}"
