"""The same decision as a page for a browser, a record for programs, test results for CI, and words for GitHub."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from workspaces import recorded_experiment, run

from harness.cli.main import main
from reports.data import ReportData
from reports.format.text import folded
from reports.outputs import github, html, junit, markdown, record

DEPLOY = (["yes"] * 150 + ["no"] * 150, ["yes"] * 270 + ["no"] * 30)
OPEN = (["yes"] * 60 + ["no"] * 40, ["yes"] * 57 + ["no"] * 3 + ["yes"] * 9 + ["no"] * 31)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a decision to deploy and one that is open."""
    folder = tmp_path_factory.mktemp("workspace")
    for name, answers in (("deploy", DEPLOY), ("open", OPEN)):
        run(recorded_experiment(folder / name, *answers, name=name))
    return folder


def load(workspace: Path, name: str) -> ReportData:
    from harness.store.database import Store
    from reports import data

    with Store(workspace / name / "harness.duckdb").connect(read_only=True) as con:
        return data.load(con)


@pytest.fixture
def deploy(workspace: Path) -> ReportData:
    return load(workspace, "deploy")


@pytest.fixture
def undecided(workspace: Path) -> ReportData:
    return load(workspace, "open")


def failing(data: ReportData, kind: str, tier: str = "critical") -> ReportData:
    """The same decision with one more gate, broken."""
    numbers = {"name": "extra", "rule": "a rule", "measured": "-0.100", "status": "fail"}
    return replace(data, gates=[*data.gates, replace(data.gates[0], kind=kind, tier=tier, **numbers)])


# --- HTML ------------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_markdown_says(deploy: ReportData, tmp_path: Path) -> None:
    path = markdown.write(deploy, tmp_path)
    page = html.write(path, deploy).read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page.replace("&quot;", '"'))
    for heading in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
        assert heading in text
    for gate in deploy.gates:
        assert gate.measured.replace("`", "") in text.replace("`", "")
    assert deploy.decision.reason in text


def test_the_page_needs_nothing_but_itself(deploy: ReportData, tmp_path: Path) -> None:
    page = html.write(markdown.write(deploy, tmp_path), deploy).read_text(encoding="utf-8")
    for path in tmp_path.iterdir():
        if path.suffix != ".html":
            assert f'"{path.name}"' not in page
    assert base64.b64encode((tmp_path / "forest.svg").read_bytes()).decode() in page
    assert "http:" not in page
    assert "https:" not in page


def test_the_page_forbids_scripts_and_allows_its_own_style_alone(deploy: ReportData) -> None:
    page = html.render("# title", {}, deploy)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    allowed = dict(part.strip().split(" ", 1) for part in policy.replace("&#x27;", "'").split(";"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert allowed.pop("style-src") == f"'sha256-{digest}'"
    assert allowed.pop("img-src") == "data:"
    assert set(allowed.values()) == {"'none'"}
    assert "default-src" in allowed


def test_html_written_into_the_markdown_stays_text(deploy: ReportData) -> None:
    text = "<b onclick=x>bold</b> ![away](http://example.org/x.png) ![up](../../secret.png) [link](http://example.org)"
    page = html.render(text, {"x.png": b""}, deploy)
    body = page.split("<main>")[1]
    assert not re.search(r"<(b|a|img)\b", body)
    assert "away" in body


def test_prompts_are_folded_away(deploy: ReportData) -> None:
    page = html.render(folded("What is 2 & 2?\n\n</details>", "prompt"), {}, deploy)
    opening = "<details><summary>prompt, 26 characters</summary>"
    assert f"{opening}\n<pre>What is 2 &amp; 2?\n\n&lt;/details&gt;\n</pre>\n</details>\n" in page
    assert "<details>" not in html.render("Said: </details> <details><summary>x</summary>", {}, deploy)


# --- the record ------------------------------------------------------------------------------------------------------


def test_the_record_fits_its_schema_and_holds_what_was_decided(deploy: ReportData) -> None:
    found = json.loads(record.render(deploy))
    jsonschema.validate(found, record.json_schema())
    assert (found["decision"]["verdict"], found["decision"]["exit_code"]) == ("deploy", 0)
    assert len(found["gates"]) == len(deploy.gates)
    [task] = [c for c in found["comparisons"] if c["kind"] == "task"]
    assert task["difference"] == pytest.approx(0.4)
    assert task["n"] == 300
    assert found["flips"] == [{"kind": "task", "suite": "test", "better": 120, "worse": 0}]
    assert found["files"] == deploy.frozen.files
    assert all(len(arm["identity"]["weights"]) >= 32 for arm in found["arms"])


def test_the_record_names_no_place_on_the_machine(deploy: ReportData, workspace: Path) -> None:
    assert str(workspace) not in record.render(deploy)


def test_a_record_is_the_same_whenever_it_is_written(workspace: Path) -> None:
    assert record.render(load(workspace, "deploy")) == record.render(load(workspace, "deploy"))


def test_a_number_that_is_none_is_refused(deploy: ReportData) -> None:
    rows = [replace(row, difference=float("nan")) for row in deploy.comparisons]
    with pytest.raises(ValueError, match="finite number"):
        record.render(replace(deploy, comparisons=rows))


# --- JUnit -----------------------------------------------------------------------------------------------------------


def cases(data: ReportData) -> dict[str, list[str]]:
    """By gate what its test case holds."""
    suite = ET.fromstring(junit.render(data)).find("testsuite")
    assert suite is not None
    assert int(suite.attrib["tests"]) == len(data.gates)
    for kind, name in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[kind]) == len(suite.findall(f"testcase/{name}"))
    return {
        case.attrib["name"]: [part.tag for part in case if part.tag != "properties"]
        for case in suite.findall("testcase")
    }


def test_a_gate_that_holds_is_a_test_that_passes(deploy: ReportData) -> None:
    found = cases(deploy)
    assert found.pop("prompts tried") == ["skipped"]  # a caution: told, and no failure
    assert set(map(tuple, found.values())) == {("system-out",)}


def test_an_open_gate_is_skipped_and_says_what_would_close_it(undecided: ReportData) -> None:
    assert cases(undecided)["gain over the best prompt"] == ["skipped"]
    mind, skipped = ET.fromstring(junit.render(undecided)).iter("skipped")
    assert skipped.attrib["message"].startswith("open: +6.0 points")
    assert mind.attrib["message"].startswith("mind: prompted was the only prompt tried")


@pytest.mark.parametrize(
    ("kind", "tier", "expected"),
    [
        ("harm", "critical", "failure"),
        ("harm", "supporting", "failure"),
        ("harm", "advisory", "skipped"),
        ("gain", "critical", "failure"),
        ("validity", "critical", "error"),
    ],
)
def test_a_broken_gate_is_a_failure_and_a_broken_comparison_an_error(
    deploy: ReportData, kind: str, tier: str, expected: str
) -> None:
    assert cases(failing(deploy, kind, tier))["extra"] == [expected]


def test_the_numbers_are_properties(deploy: ReportData) -> None:
    found = {p.attrib["name"]: p.attrib["value"] for p in ET.fromstring(junit.render(deploy)).iter("property")}
    assert found["verdict"] == "deploy"
    assert float(found["task/test/exact_match: difference"]) == pytest.approx(0.4)
    assert int(found["task/test/exact_match: n"]) == 300


def test_a_gate_has_its_numbers_beside_its_sentence(deploy: ReportData) -> None:
    cases = ET.fromstring(junit.render(deploy)).iter("testcase")
    [gain] = [case for case in cases if case.attrib["name"] == "gain over the best prompt"]
    numbers = {p.attrib["name"]: p.attrib["value"] for p in gain.iter("property")}
    assert (numbers["gate_id"], numbers["unit"], float(numbers["threshold"])) == ("gain", "score", 0.02)
    assert float(numbers["value"]) == pytest.approx(0.4)
    assert float(numbers["low"]) < 0.4 < float(numbers["high"])
    [recorded] = [gate for gate in json.loads(record.render(deploy))["gates"] if gate["gate_id"] == "gain"]
    assert (recorded["value"], recorded["n"]) == (pytest.approx(0.4), 300)


# --- a decision before any answer ------------------------------------------------------------------------------------


def test_an_experiment_stopped_by_its_data_has_every_form(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, *OPEN, data={"test": "test.jsonl", "train": "leaked.jsonl"})
    shutil.copy(tmp_path / "test.jsonl", tmp_path / "leaked.jsonl")
    assert main(["run", str(path)]) == 6
    out = tmp_path / "out" / "recorded"
    found = json.loads((out / "decision.json").read_text())
    jsonschema.validate(found, record.json_schema())
    assert (found["decision"]["verdict"], found["arms"], found["comparisons"]) == ("invalid", [], [])
    assert 'class="invalid"' in (out / "report.html").read_text(encoding="utf-8")
    assert main(["gate", "--store", str(tmp_path / "harness.duckdb"), "--junit", str(tmp_path / "gates.xml")]) == 6
    assert ET.parse(tmp_path / "gates.xml").getroot().attrib["errors"] == "1"


# --- GitHub ----------------------------------------------------------------------------------------------------------


def test_the_summary_is_the_first_screen_without_pictures(deploy: ReportData) -> None:
    text = github.summary(deploy)
    assert text.startswith("# deploy\n\n20")
    assert "\n\n> **Deploy:" in text
    assert "90.0% against 50.0%" in text
    assert "![" not in text
    assert markdown.render(deploy, {}).startswith(text)


def test_a_summary_too_large_for_github_is_cut_between_lines(deploy: ReportData) -> None:
    gates = [replace(deploy.gates[0], name=f"gate {i} ü", status="fail") for i in range(500)]
    text = github.summary(replace(deploy, gates=gates), largest=10_000)
    assert 9_000 < len(text.encode()) <= 10_000
    assert text.endswith("**fail** |\n\n(cut here; the report has the rest)\n")


def test_annotations_are_as_loud_as_the_verdict_and_name_what_is_broken(
    deploy: ReportData, undecided: ReportData
) -> None:
    assert [line.split(" ")[0] for line in github.commands(deploy)] == ["::notice", "::warning"]
    assert [line.split(" ")[0] for line in github.commands(undecided)] == ["::warning", "::warning", "::warning"]
    assert "::error title=extra::-0.100 (rule: a rule)" in github.commands(failing(deploy, "harm"))
    assert "::warning title=extra (advisory)::-0.100 (rule: a rule)" in github.commands(
        failing(deploy, "harm", "advisory")
    )


def test_annotations_escape_what_github_reads_as_structure(deploy: ReportData) -> None:
    data = failing(deploy, "harm")
    odd = replace(data.gates[-1], name="a,b::c", measured="100%\n::error::x")
    line = github.commands(replace(data, gates=[odd]))[-1]
    assert line == "::error title=a%2Cb%3A%3Ac::100%25%0A::error::x (rule: a rule)"


def test_no_more_annotations_than_github_shows(deploy: ReportData) -> None:
    statuses = ["fail" if i == 30 else "unknown" for i in range(40)]
    gates = [replace(deploy.gates[0], name=f"gate {i}", status=status) for i, status in enumerate(statuses)]
    found = github.commands(replace(deploy, gates=gates))
    assert len(found) == 10
    assert "gate 30" in found[1]


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def gate(workspace: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """`harness gate` on a copy of a decided workspace: (exit code, stdout, stderr)."""

    def call(name: str, *arguments: str) -> tuple[int, str, str]:
        store = tmp_path / "harness.duckdb"
        shutil.copyfile(workspace / name / "harness.duckdb", store)
        capfd.readouterr()
        return main(["gate", "--store", str(store), *arguments]), *capfd.readouterr()

    return call


@pytest.mark.parametrize(("name", "code"), [("deploy", 0), ("open", 5)])
def test_gate_tells_github_and_keeps_its_exit_code(
    gate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    summary.write_text("# earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    found, out, _ = gate(name, "--github", "--junit", str(tmp_path / "results" / "gates.xml"))
    assert found == code
    assert summary.read_text().startswith(f"# earlier step\n# {name}\n")
    assert output.read_text().endswith(f"\nexit_code={code}\n")
    assert re.search(r"^::(notice|warning) title=", out, re.MULTILINE)
    assert ET.parse(tmp_path / "results" / "gates.xml").getroot().tag == "testsuites"


def test_json_on_stdout_stays_json_beside_annotations(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = gate("deploy", "--json", "--github")
    assert (code, json.loads(out)["verdict"]) == (0, "deploy")
    assert "::notice title=Deploy" in err
    assert "GITHUB_OUTPUT is not set" in err


def test_results_that_cannot_be_written_are_said(gate: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = gate("deploy", "--junit", str(tmp_path / "file" / "gates.xml"))
    assert (code, out) == (2, "")
    assert "cannot be written" in err


def test_every_form_is_written_on_every_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = recorded_experiment(tmp_path, *DEPLOY, name="forms")
    assert main(["run", str(path)]) == 0
    assert {found.name for found in (tmp_path / "out" / "forms").iterdir()} == {
        "report.md", "report.html", "decision.json", "forest.svg",
    }  # fmt: skip
    capfd.readouterr()
    assert main(["schema", "--record"]) == 0
    schema = json.loads(capfd.readouterr().out)
    jsonschema.validate(json.loads((tmp_path / "out" / "forms" / "decision.json").read_text()), schema)
