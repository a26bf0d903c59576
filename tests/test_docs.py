"""The documents are held against the code: pages made from it are fresh, commands run, files validate, links lead on.

A page is Markdown with three conventions, all of them seen here. A block `yaml title="NAME"` is the file NAME. A block
`console` is run, in a folder of its own for each page, and its output compared: durations, dates and hashes masked, a
line `...` standing for any lines. `<!-- files: NAME -->` puts the files of tests/cases/docs/NAME into that folder, and
`<!-- not run: WHY -->` before a block has it parsed only.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest
import yaml

from baselines.prompters.table import PROMPTERS
from harness.cli.main import _parser, main
from harness.config.contradictions import contradictions
from harness.config.methods import METHODS
from harness.config.schema import ExperimentConfig
from harness.config.schema import json_schema as config_schema
from harness.decision.decide import Verdict
from harness.experiment.variants import spell_out
from harness.importers import IMPORTERS
from harness.importers.trainers import TRAINERS
from reports.outputs.record import json_schema as record_schema
from suites.checks.table import CHECKS
from suites.data.formats import FORMATS
from suites.metrics.table import METRICS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CASES = ROOT / "tests" / "cases" / "docs"
REFERENCE = DOCS / "reference"
OWN = [ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")]
WRITTEN = [*OWN, *(page for page in DOCS.rglob("*.md") if page.parent != REFERENCE)]
PAGES = [*WRITTEN, *REFERENCE.glob("*.md")]
PACKAGES = ("harness", "suites", "baselines", "reports")

MARK = r"(?:<!-- (?P<mark>not run: [^>]*?) -->\n+)?"
BLOCK = re.compile(rf'{MARK}^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: its language, the file it is, what is in it, and why it is not run if it is not."""

    language: str
    title: str
    text: str
    not_run: str

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command of a console block with the output that stands below it."""
        parts = re.split(r"^\$ ", self.text, flags=re.M)[1:]
        return [(command.strip(), output) for command, _, output in (part.partition("\n") for part in parts)]


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(m["language"], m["title"] or "", m["text"], m["mark"] or "") for m in found]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def consoles() -> Iterator[tuple[str, str]]:
    """Every command of every page."""
    for page in WRITTEN:
        for block in blocks(page):
            yield from ((name(page), command) for command, _ in block.commands if block.language == "console")


# --- pages made from the code -----------------------------------------------------------------------------------------


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    runpy.run_path(str(DOCS / "generate.py"))["main"](tmp_path)
    fresh = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in REFERENCE.iterdir()}
    stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
    assert not stale, f"run `make docs`: {', '.join(stale)}"


TABLES = {
    "metrics": METRICS, "checks": CHECKS, "formats": FORMATS, "prompters": PROMPTERS, "methods": METHODS,
    "importers": IMPORTERS, "trainers": TRAINERS,
}  # fmt: skip


def test_a_new_entry_of_a_table_stands_in_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in TABLES.values():
        monkeypatch.setitem(table, "toy", replace(next(iter(table.values())), about="for play"))
    runpy.run_path(str(DOCS / "generate.py"))["main"](tmp_path)
    for page in TABLES:
        assert re.search(r"\| `toy` \|.* for play \|", (tmp_path / f"{page}.md").read_text(encoding="utf-8")), page


PARTS = {
    f"{page}: {part.get('title', page)}": part
    for page, schema in {"settings": config_schema(), "record": record_schema()}.items()
    for whole in [schema, *schema["$defs"].values()]
    for part in [whole, *whole.get("anyOf", [])]
    if "properties" in part
}


@pytest.mark.parametrize("part", PARTS)
def test_every_setting_and_every_field_of_the_record_says_what_it_is(part: str) -> None:
    assert PARTS[part].get("description")
    assert not [name for name, field in PARTS[part]["properties"].items() if not field.get("description")]


@pytest.mark.parametrize(("page", "last"), [("settings", "description"), ("commands", "meaning"), ("views", "type")])
def test_every_section_of_a_page_says_what_it_is_for_and_every_row_is_filled(page: str, last: str) -> None:
    text = (REFERENCE / f"{page}.md").read_text(encoding="utf-8")
    for head, body in re.findall(r"^## (\S.*)\n\n((?:(?!## ).*\n?)*)", text, re.M):
        assert re.match(r"\w", body), head
        for row in re.findall(r"^\|(.*)\|$", body, re.M):
            assert row.rpartition(" | ")[2].strip(), f"{head}: {row}"
        assert f"| {last} |" in body or "|" not in body, head


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "command"), [pair for pair in consoles() if pair[1].startswith("harness ")])
def test_every_command_is_one(page: str, command: str) -> None:
    assert _parser().parse_args(shlex.split(command.split(" > ")[0], comments=True)[1:]).command


@pytest.mark.parametrize(("page", "command"), [pair for pair in consoles() if pair[1].startswith("make ")])
def test_every_make_target_exists(page: str, command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)


RUN = [page for page in WRITTEN if any(block.language == "console" and not block.not_run for block in blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=name)
def test_the_commands_of_a_page_say_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for files in re.findall(r"<!-- files: (\w+) -->", page.read_text(encoding="utf-8")):
        shutil.copytree(CASES / files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    code = 0
    for block in blocks(page):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        if block.language != "console" or block.not_run:
            continue
        for command, shown in block.commands:
            code, output = run(command, code)
            said = masked(output.replace(f"{tmp_path}/", ""))
            assert re.fullmatch(pattern(masked(shown)), said), f"$ {command}\n{output}"


def run(command: str, last: int) -> tuple[int, str]:
    """A command's exit code and all it says; `last` is the code of the one before."""
    if command == "echo $?":
        return 0, f"{last}\n"
    words, _, file = (part.strip() for part in command.partition(" > "))
    said = StringIO()
    if not command.startswith("harness "):
        done = subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
    with redirect_stdout(said), redirect_stderr(said):
        code = main(shlex.split(words, comments=True)[1:])
    if file:
        Path(file).write_text(said.getvalue(), encoding="utf-8")
    return code, "" if file else said.getvalue()


MASKS = (
    (r"\b\d+\.\d MB", "0.0 MB"),  # a database file's room depends on what its blocks were used for
    (r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d+)?)?", "DATE"),
    (r"\b\d+/\d+ in [\d.]+ s \(([\d.]+/s|\d+ s each)\)", "PROGRESS"),
    (r"\b[0-9a-f]{12,64}\b", "HASH"),
    (r"\b[\d.]+ s\b|time=\"[\d.]+\"", "SECONDS"),
    (r"[ \t]+$", ""),
)


def masked(text: str) -> str:
    """What of an output is the same every time."""
    for what, word in MASKS:
        text = re.sub(what, word, text, flags=re.M)
    return text.strip()


def pattern(shown: str) -> str:
    """The outputs a page allows."""
    parts = re.split(r"^\.\.\.$", shown, flags=re.M)
    return r"(?s:.*)".join(re.escape(part) for part in parts)


# --- files and settings -----------------------------------------------------------------------------------------------

YAML = [(page, block) for page in WRITTEN for block in blocks(page) if block.language == "yaml"]
OTHER = {"suite.yaml", "decide.yml", "axolotl.yaml", "ours.yaml"}  # files that are no experiment


@pytest.mark.parametrize(("page", "block"), YAML, ids=lambda value: name(value) if isinstance(value, Path) else "")
def test_every_experiment_and_section_validates(page: Path, block: Block) -> None:
    settings = yaml.safe_load(block.text)
    if Path(block.title).name in OTHER:
        return
    settings, _, _ = spell_out(settings, {}, page.parent)  # patterns stand for what they match
    smallest = {"experiment": "smallest", "model": "some-org/some-model", "data": {"train": "a", "test": "b"}}
    config = ExperimentConfig.model_validate(settings if "experiment" in settings else {**smallest, **settings})
    if "experiment" in settings:
        assert not contradictions(config)


@pytest.mark.parametrize("file", ["experiment.yaml", "overtrained.yaml"])
def test_the_demo_experiments_validate(file: str) -> None:
    text = (ROOT / "harness" / "demo" / file).read_text(encoding="utf-8")
    ExperimentConfig.model_validate(yaml.safe_load(text))


def test_the_verdicts_and_exit_codes_are_the_codes() -> None:
    text = (DOCS / "explanation" / "decision.md").read_text(encoding="utf-8")
    found = {name: int(code) for name, code in re.findall(r"^\| `(\w+)` \| (\d) \|", text, re.MULTILINE)}
    assert found == {verdict.text: verdict.exit_code for verdict in Verdict}


# --- links, names and numbers -----------------------------------------------------------------------------------------


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", head).lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.is_file(), f"{name(page)} links to {target}"
        assert not anchor or anchor in anchors(place), f"{name(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_a_page_names_exists(page: Path) -> None:
    for path in re.findall(r"`((?:harness|suites|tests|baselines|reports|docs)/[\w/.-]+)`", prose(page)):
        assert (ROOT / path).exists(), f"{name(page)} names {path}"


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_every_method_of_statistics_that_the_code_cites_is_explained() -> None:
    explained = set(re.findall(r"^### ([a-z]\d+)\b", prose(DOCS / "explanation" / "statistics.md"), re.M))
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        cited = set(re.findall(r"statistics\.md,\s+([a-z]\d+)", text))
        assert len(re.findall(r"statistics\.md", text)) == len(re.findall(r"statistics\.md,\s+[a-z]\d", text)), path
        assert cited <= explained, f"{path}: {cited - explained}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110
