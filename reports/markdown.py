"""The decision as Markdown: the first screen says what to do and why, the rest is the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports import plots
from reports.data import ReportData, Row
from reports.numbers import amount, span, volume
from reports.text import block, cell, table

MARKS = {"pass": "✅ pass", "fail": "❌ fail", "unknown": "❔ open"}


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
        _first_screen(data),
        _gates(data),
        _arms(data),
        _comparisons(data, pictures),
        _costs(data, pictures),
        _choice(data),
        _flips(data),
        _judge(data),
        _validity(data),
        _findings(data),
        _training(data, pictures),
        _record(data),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _first_screen(data: ReportData) -> str:
    decision = data.decision
    return (
        f"# {cell(decision['name'])}\n\n"
        f"> **{cell(decision['headline'])}** {cell(decision['reason'])}\n>\n"
        f"> **Next:** {cell(decision['next_step'])}\n>\n"
        f"> (Verdict `{decision['verdict']}`, exit {decision['exit_code']}.)"
    )


def _gates(data: ReportData) -> str:
    return _gate_table(data.first_gates())


def _validity(data: ReportData) -> str:
    return f"## Can these numbers be compared?\n\n{_gate_table(data.validity_gates())}"


def _gate_table(gates: Sequence[Row]) -> str:
    rows = [[cell(g["name"]), cell(g["rule"]), cell(g["measured"]), MARKS[g["status"]]] for g in gates]
    return table(["gate", "rule", "measured", ""], rows)


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
    if not data.comparisons:
        return ""
    rows = [
        [
            cell(c["suite"] if c["kind"] == "regression" else c["slice"] or c["kind"]),
            cell(c["metric"]),
            _percent(c["baseline"]),
            _percent(c["candidate"]),
            _difference(c),
            f"{c['n']:,}",
            _p_value(c["p_value"]),
            cell(c["method"]),
        ]
        for c in data.comparisons
    ]
    header = ["compared on", "metric", "best prompt or base", "candidate", "difference", "n", "p", "method"]
    note = (
        "The task's interval is two-sided; all others are bounds that are each one-sided at the same confidence, "
        "because the question there is only whether something got worse. p is two-sided, against no difference."
    )
    picture = f"![Differences with intervals]({pictures['forest']})\n\n" if "forest" in pictures else ""
    return f"## What changed\n\n{picture}{table(header, rows)}\n\n{note}"


def _costs(data: ReportData, pictures: dict[str, str]) -> str:
    """What training, hosting and answering cost, from which volume on the candidate pays, and at which prices."""
    found = data.break_even
    if found is None:
        return ""
    rows = [[what, value] for what, value in _cost_rows(found) if value]
    picture = f"\n\n![Monthly cost by volume]({pictures['break_even']})" if "break_even" in pictures else ""
    text = (
        f"All amounts in {cell(found['currency'])}. A machine is paid for the seconds measured, as if it never waited; "
        "its idle hours belong into `hosting_per_month`. The intervals tell how requests differ, on this machine and "
        "this day; prices and the training are taken as known."
    )
    return f"## What it costs\n\n{cell(found['told'])}{picture}\n\n{table(['', ''], rows)}\n\n{text}{_prices(data)}"


def _cost_rows(found: Row) -> list[tuple[str, str]]:
    """What is known; an empty text where nothing is."""
    trained = f"{found['training_seconds']:,.0f}" if found["training_seconds"] is not None else ""
    rows = [
        ("training, once", _money(found, "training_cost")),
        ("training, seconds", trained),
        (f"upkeep a month (training every {found['retrain_months']:g} months)", _money(found, "upkeep")),
        ("hosting a month, beyond the prompt's", _money(found, "hosting")),
        ("saved per 1,000 requests", _money(found, "saving")),
    ]
    if found["requests"] is not None:
        interval = span(found["requests_low"], found["requests_high"], volume)
        rows.append(("cheaper from, requests a month", f"{volume(found['requests'])}{interval}"))
    if found["requests_per_month"] is not None:
        at = f"a month at {found['requests_per_month']:,} requests"
        rows += [(f"{cell(found[f'{side}_arm'])} {at}", _money(found, f"{side}_month")) for side in SIDES]
    return rows


SIDES = ("baseline", "candidate")


def _money(row: Row, name: str) -> str:
    """An amount with its interval, if it has one."""
    if row[name] is None:
        return ""
    return f"{amount(row[name])}{span(row.get(f'{name}_low'), row.get(f'{name}_high'), amount)}"


def _prices(data: ReportData) -> str:
    if not data.prices:
        return ""
    header = ["price of", "name", "per million tokens in / out", "per hour", "as of", "source"]
    rows = [
        [
            {"base": "prompt", "candidate": "candidate"}[price["side"]],
            cell(price["name"] or "as given"),
            "" if price["input"] is None else f"{price['input']:g} / {price['output']:g}",
            "" if price["per_hour"] is None else f"{price['per_hour']:g}",
            cell(price["as_of"] or "the experiment file"),
            cell(price["source"]),
        ]
        for price in data.prices
    ]
    listed = any(price["name"] for price in data.prices)
    note = "\n\nA listed price is a copy of the day it names and may have changed since." if listed else ""
    return f"\n\n{table(header, rows)}{note}"


def _choice(data: ReportData) -> str:
    """How the prompts were chosen: on validation, before the test set was touched."""
    arms = data.arms_on("validation")
    if not arms:
        return ""
    rows = [[_arm_name(arm), arm["side"], _with_interval(arm), _count(arm), _tokens(arm)] for arm in arms]
    looks = data.decision["test_set_looks"]
    times = "once" if looks == 1 else f"{looks} times"
    text = f"The test set has been used for a decision {times}, this one included."
    return (
        "## How the prompts were chosen\n\nOn validation, before the test set was touched. Bold: chosen.\n\n"
        f"{table(['arm', 'model', 'score', 'n', 'tokens in / out'], rows)}\n\n{text}"
    )


def _flips(data: ReportData) -> str:
    if not data.flips["better"] and not data.flips["worse"]:
        return ""
    text = f"## Answers that changed\n\n{data.flips['better']:,} got better, {data.flips['worse']:,} got worse."
    for title, rows in (("Got worse", data.worse), ("Got better", data.better)):
        if rows:
            text += f"\n\n### {title}: the first {len(rows)}\n\n" + "\n\n".join(_flip(row) for row in rows)
    return text


def _flip(row: Row) -> str:
    return (
        f"**{cell(row['example_id'])}**\n\n{block(row['input'])}\n\nwanted\n\n{block(row['target'])}\n\n"
        f"best prompt ({row['baseline_value']:.2f})\n\n{block(row['baseline_text'])}\n\n"
        f"candidate ({row['candidate_value']:.2f})\n\n{block(row['candidate_text'])}"
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


def _findings(data: ReportData) -> str:
    if not data.findings:
        return ""
    rows = [
        [f["level"], cell(f["check_name"]), cell(f["message"]), cell(", ".join(f["rows"][:5]))] for f in data.findings
    ]
    return f"## The data\n\n{table(['level', 'check', 'finding', 'for example'], rows)}"


def _training(data: ReportData, pictures: dict[str, str]) -> str:
    if not data.training:
        return ""
    run = data.training[0]
    picture = f"\n\n![Training curves]({pictures['training']})" if "training" in pictures else ""
    return (
        f"## The training\n\n{cell(run['method'])}, {run['n_rows']:,} rows, {run['steps']:,} steps, "
        f"{run['trained_parameters']:,} trained parameters, {run['seconds']:.0f} s.\n\n"
        f"{block(run['config'])}{picture}"
    )


def _record(data: ReportData) -> str:
    """What was run, and how to run it again."""
    stages = table(["stage", "seconds"], [[s["stage"], f"{s['seconds']:.1f}"] for s in data.stages])
    models = sorted({(row["side"], row["model_name"]) for row in data.arms})
    facts = [[cell(key), cell(str(value))] for key, value in data.facts.items() if key != "judge"]
    facts += [[cell(f"model ({side})"), cell(Path(name).name)] for side, name in models]
    facts += [[cell(name), cell(digest)] for name, digest in data.files.items()]
    again = block(f"harness run {Path(data.decision['file']).name}")
    return f"## What was run\n\n{again}\n\n{stages}\n\n{table(['fact', 'value'], facts)}"


def _arm_name(arm: Row) -> str:
    name = cell(arm["arm"])
    return f"**{name}**" if arm["chosen"] else name


def _with_interval(arm: Row) -> str:
    if arm["mean"] is None:
        return "—"
    interval = "" if arm["low"] is None else f" [{arm['low'] * 100:.1f}, {arm['high'] * 100:.1f}]"
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
    return _money(arm, "cost") or "—"


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _difference(c: Row) -> str:
    if c["difference"] is None:
        return "—"
    interval = "" if c["low"] is None else f" [{c['low']:+.3f}, {c['high']:+.3f}]"
    return f"{c['difference']:+.3f}{interval}"


def _p_value(p: float | None) -> str:
    if p is None:
        return "—"
    return "&lt; 0.0001" if p < 0.0001 else f"{p:.4f}"
