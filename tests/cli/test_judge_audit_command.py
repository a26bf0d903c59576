"""`harness judge audit` as it is typed; the stage `harness judge` stays beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import write_jsonl

from harness.cli.main import _parser, main


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    said = [{"id": f"p{i}", "order": order, "verdict": "ab"[i % 2], "length_a": i % 3, "length_b": 1, "judge": judge}
            for judge in ("one", "[/two]") for i in range(60) for order in ("ab", "ba")]  # fmt: skip
    given = [{"id": f"p{i}", "annotator": who, "label": "ab"[i % 2]} for who in ("anna", "ben") for i in range(55)]
    paths = [write_jsonl(tmp_path / name, rows) for name, rows in (("v.jsonl", said), ("l.jsonl", given))]
    return ["judge", "audit", "--verdicts", str(paths[0]), "--labels", str(paths[1])]


def test_the_audit_is_printed_and_in_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(files) == 0
    printed = capsys.readouterr().out
    for part in (
        "one: trusted;",
        "[/two]: trusted;",
        "100.0% [93.5%, 100.0%]",
        "anna",
        "winning rate 1.00",
        "label next",
    ):
        assert part in printed
    assert main([*files, "--json", "--next", "2", "--agreement", "0.95"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [judge["trust"]["standing"] for judge in found["judges"]] == ["advisory", "advisory"]
    assert found["judges"][0]["measures"]["agreement"]["value"] == 1
    assert len(found["next"]) == 2
    assert found["unlabelled"] == 5


def test_the_stage_and_a_file_named_audit_are_reached_as_before() -> None:
    assert _parser().parse_args(["judge", "experiment.yaml"]).stage == "judge"
    assert _parser().parse_args(["judge", "./audit"]).experiment == Path("audit")
    assert _parser().parse_args(["judge", "audit", "--verdicts", "v", "--labels", "l"]).next == 5


@pytest.mark.parametrize("share", ["0", "1", "much"])
def test_an_agreement_that_is_no_share_is_refused(
    share: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*files, "--agreement", share])
    assert "a share is a number between 0 and 1" in capsys.readouterr().err
