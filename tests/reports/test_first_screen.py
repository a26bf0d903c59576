"""The first screen names what was decided on, when, and what to ship; every output tells the same cautions."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from workspaces import decided, recorded_experiment, run

from harness.cli.main import main
from harness.decision.costs import saving
from harness.pipeline.ship import commit
from harness.view.terminal import show
from reports.data import Facts, ReportData, Ship
from reports.format.numbers import in_time, limit_points
from reports.format.text import cell, phrase
from reports.outputs import github, html, junit, markdown
from reports.sections import labels
from reports.sections.shipping import what_ships

MESSAGES = [{"role": "system", "content": "Route."}, {"role": "user", "content": "{{ input }}"}]
SHIP = Ship("out/x/model-1", "vllm serve base", {"base": MESSAGES[:1], "candidate": MESSAGES})


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """A task of two labels, with a prompt that the harness asks with and a candidate that is recorded."""
    targets = ["yes", "no"] * 100
    other = {"yes": "no", "no": "yes"}
    before = [target if i % 5 < 3 else other[target] for i, target in enumerate(targets)]
    after = [*targets[:190], *["perhaps"] * 10]
    folder = tmp_path_factory.mktemp("deploy")
    return decided(run(recorded_experiment(folder, before, after, targets=targets, policy={"suspicious_gain": 0.9})))


def test_the_line_under_the_title_says_when_and_on_what(deploy: ReportData) -> None:
    line = markdown.render(deploy, {}).split("\n")[2]
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\d \d\d:\d\d · base: recorded answers \(prompted.jsonl\) · "
        r"candidate: recorded answers \(tuned.jsonl\) · test: test.jsonl, 200 examples",
        line,
    )
    at_commit = replace(deploy, facts=replace(deploy.facts, commit="0123456789ab with changes"))
    assert markdown.render(at_commit, {}).split("\n")[2].endswith(" · commit: 0123456789ab with changes")


def test_the_commit_is_that_of_the_experiments_folder_and_says_what_was_changed(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    as_someone = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "experiment.yaml").write_text("a: 1\n")
    for arguments in (["init", "-q"], ["add", "."], [*as_someone, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    assert re.fullmatch("[0-9a-f]{12}", commit(tmp_path))
    (tmp_path / "experiment.yaml").write_text("a: 2\n")
    assert commit(tmp_path).endswith(" with changes")


def test_what_ships_is_named_with_its_folder_prompt_and_command(deploy: ReportData, tmp_path: Path) -> None:
    data = replace(deploy, facts=replace(deploy.facts, ship=SHIP))
    assert what_ships(data) == [("folder", "out/x/model-1"), ("prompt", "prompt.json"), ("serve", "vllm serve base")]
    text = markdown.write(data, tmp_path).read_text(encoding="utf-8")
    assert "> **Ship:** folder `out/x/model-1`, prompt `prompt.json`, serve `vllm serve base`" in text
    assert json.loads((tmp_path / "prompt.json").read_text()) == {"messages": MESSAGES}
    kept = replace(data, decision=replace(data.decision, verdict="keep_prompting"))
    markdown.write(kept, tmp_path)
    assert json.loads((tmp_path / "prompt.json").read_text()) == {"messages": MESSAGES[:1]}
    assert what_ships(kept) == [("prompt", "prompt.json")]


@pytest.mark.parametrize("verdict", ["reject", "inconclusive", "invalid"])
def test_nothing_ships_where_nothing_is_shown_better(deploy: ReportData, tmp_path: Path, verdict: str) -> None:
    facts, decision = replace(deploy.facts, ship=SHIP), replace(deploy.decision, verdict=verdict)
    data = replace(deploy, facts=facts, decision=decision)
    (tmp_path / "prompt.json").write_text("of an earlier decision")
    markdown.write(data, tmp_path)
    assert not (tmp_path / "prompt.json").exists()
    assert what_ships(data) == []


def test_a_recorded_candidate_ships_the_model_that_gave_its_answers(deploy: ReportData) -> None:
    assert what_ships(deploy) == [("model", "the one that gave the answers in tuned.jsonl")]


def test_labels_are_told_by_what_was_wanted_and_given_on_both_sides(deploy: ReportData) -> None:
    text = labels.section(deploy, {})
    assert "| wanted | no | yes | anything else |" in text
    assert "| no | **60 → 95** | 40 → 0 | 0 → 5 |" in text
    assert "| yes | 40 → 0 | **60 → 95** | 0 → 5 |" in text


def test_of_more_labels_than_a_table_holds_those_confused_most_are_told(tmp_path: Path) -> None:
    targets = [f"label {i % 13}" for i in range(130)]
    wrong = ["label 1" if i % 13 == 0 and i < 100 else "none" if i == 2 else said for i, said in enumerate(targets)]
    thirteen = decided(run(recorded_experiment(tmp_path / "13", wrong, targets, targets=targets)))
    told = labels.section(thirteen, {})
    assert "| label 0 | label 1 | 8 | 0 | 10 |\n| label 2 | anything else | 1 | 0 | 10 |" in told
    assert "Of 13 labels" in told
    assert "the 2 of 2 pairs that either side confused most often" in told
    twelve = [said for said in targets if said != "label 12"]
    table = labels.section(decided(run(recorded_experiment(tmp_path / "12", twelve, twelve, targets=twelve))), {})
    assert table.count("**10**") == 12


def test_no_row_says_that_all_is_valid_beside_a_check_that_failed(deploy: ReportData) -> None:
    assert deploy.first_gates()[-1].name == "validity"
    broken = [replace(gate, status="fail") if gate.gate_id == "data" else gate for gate in deploy.gates]
    gates = replace(deploy, gates=broken).first_gates()
    assert [(gate.name, gate.status) for gate in gates if gate.kind == "validity"] == [
        ("data", "fail"), ("other checks", "pass"),
    ]  # fmt: skip
    assert re.match(r"(\d+) of \1 other checks hold: ", gates[-1].measured)


def test_advisory_rules_and_cautions_are_told_the_same_everywhere(
    deploy: ReportData, capsys: pytest.CaptureFixture[str]
) -> None:
    leaks = Facts.parse(json.dumps({"leaks": {"told": "3 examples were seen.", "turned": True}})).leaks
    advisory = replace(deploy.gates[0], name="extra", kind="harm", tier="advisory", status="unknown")
    data = replace(deploy, facts=replace(deploy.facts, leaks=leaks), gates=[*deploy.gates, advisory])
    show(data, Path("report.md"), "harness flips")
    terminal, text = capsys.readouterr().out, markdown.render(data, {})
    for shown in (terminal, text):
        assert "extra (advisory)" in shown
        assert re.search(r"extra \(advisory\).*open", shown)
        assert "3 examples were seen." in shown
        assert "prompts tried: " in shown
    assert "::warning title=mind::3 examples were seen." in github.commands(data)
    minds = [
        p.attrib["value"] for p in ET.fromstring(junit.render(data)).iter("property") if p.attrib["name"] == "mind"
    ]
    assert minds[0] == "3 examples were seen."


def test_sections_have_anchors_and_a_table_of_contents(deploy: ReportData) -> None:
    page = html.render(markdown.render(deploy, {}), {}, deploy)
    anchors = re.findall(r'<h2 id="(section-\d+)">', page)
    assert anchors
    assert re.findall(r'<a href="#(section-\d+)">', page) == anchors
    assert '<td class="pass">pass</td>' in page
    assert '<table class="gates">' in page


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_can_be_read_light_and_dark() -> None:
    for colours in (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in html.STYLE.split("@media")[:2]):
        for ground in (luminance(colours["page"]), luminance(colours["panel"])):
            for name in ("text", "dim", "verdict", "pass", "fail", "open", "link"):
                bright, dark = sorted([luminance(colours[name]), ground], reverse=True)
                assert (bright + 0.05) / (dark + 0.05) >= 4.5, name  # what WCAG 2.2 AA asks of text


def test_a_report_is_written_beside_the_store_or_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(recorded_experiment(tmp_path / "old", ["yes"] * 60, ["no"] * 60))
    (tmp_path / "old").rename(tmp_path / "moved")
    store = str(tmp_path / "moved" / "harness.duckdb")
    assert main(["report", "--store", store]) == 0
    assert (tmp_path / "moved" / "out" / "recorded" / "report.html").is_file()
    assert not (tmp_path / "old").exists()
    assert main(["report", "--store", store, "--out", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "report.md").is_file()
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "elsewhere" / "report.md")


def test_what_is_to_be_typed_is_code_in_a_sentence_and_nothing_else_is() -> None:
    assert (
        phrase("Read them (`harness flips --worse`), *then* run.")
        == r"Read them (`harness flips --worse`), \*then\* run."
    )
    assert phrase("`a` and `b`") == "`a` and `b`"
    assert phrase("a ` alone, <b>") == cell("a ` alone, <b>")
    assert phrase("an empty `` pair") == cell("an empty `` pair")


def test_recorded_answers_without_tokens_and_seconds_have_none_in_the_table(deploy: ReportData) -> None:
    text = markdown.render(deploy, {})
    assert "| — | — |" in text
    assert "0 / 0" not in text
    assert "0.00 ms" not in text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ((0.0,), "0.00 ms"),
        ((0.00519, 0.00518, 0.00536), "5.19 ms [5.18, 5.36]"),
        ((0.9994,), "999 ms"),
        ((1.0,), "1.00 s"),
        ((12.34, None, 15.0), "12.3 s [not shown, 15.0]"),
        ((1234.0,), "1,234 s"),
    ],
)
def test_times_are_told_in_a_unit_that_suits_them(seconds: tuple[float, ...], shown: str) -> None:
    assert in_time(*seconds) == shown


def test_a_limit_is_told_as_exactly_as_it_was_set() -> None:
    assert [limit_points(limit) for limit in (0.02, -0.03, 0.0025, -0.125, 0.0)] == [
        "+2.0", "-3.0", "+0.25", "-12.5", "+0.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (0.2, 0.1, 0.3, "saves 0.200 [0.100, 0.300] USD"),
        (-0.2, -0.3, -0.1, "costs 0.200 [0.100, 0.300] USD more"),
        (0.2, -0.1, 0.5, "saves 0.200 USD (between 0.100 more and 0.500 less)"),
        (-0.2, -0.5, 0.1, "costs 0.200 USD more (between 0.500 more and 0.100 less)"),
        (-0.2, None, None, "costs 0.200 USD more"),
        (0.0, 0.0, 0.0, "saves 0 [0, 0] USD"),
    ],
)
def test_nothing_saves_less_than_nothing(value: float, low: float | None, high: float | None, told: str) -> None:
    assert saving(value, low, high, "USD") == told
