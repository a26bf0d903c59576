"""A template that loops is ended, whoever wrote it; the timer leaves nothing behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import tiny_models

from baselines.arm import Prompter
from harness.models.hf.chat import ChatTokenizer
from suites import templates
from suites.errors import UserError
from suites.judges.pairwise import Pair, Rubric, ask
from suites.templates import TemplateTooLong, bounded
from suites.types import Example

LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"

ROW = Example("1", {"input": "a"}, "b", "1")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "SECONDS", 0.2)


def test_a_chat_template_that_loops_is_a_message_with_the_models_folder(tmp_path: Path) -> None:
    folder = tiny_models.build("llama", tmp_path / "model")
    (folder / "chat_template.jinja").write_text(LOOPS + "{{ messages[0].content }}")
    tokenizer = ChatTokenizer(folder)
    with pytest.raises(UserError, match=r"chat template refuses .* had not ended after 0.2 s") as error:
        tokenizer.render([{"role": "user", "content": "hello"}])
    assert error.value.where == str(folder)


def test_a_prompt_or_rubric_that_loops_is_a_message() -> None:
    with pytest.raises(UserError, match="the prompt cannot be filled in: it had not ended"):
        Prompter("p", LOOPS).messages(ROW)
    with pytest.raises(UserError, match="the rubric cannot be filled in: it had not ended"):
        ask(Rubric("r", LOOPS), Pair("1", "a", "b", "c"))


def test_what_ends_in_time_leaves_no_timer_and_no_handler() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with bounded():
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before
    with pytest.raises(TemplateTooLong), bounded():
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_timer_of_somebody_else_goes_on() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        with bounded():
            pass
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self._TemplateReference__context }}",
        "{{ [].append(1) }}",
        "{% set x = lipsum.__globals__ %}{{ x }}",
        "{{ '%s' | attr('__class__') }}",
        "{{ ('{0.__class__.__init__.__globals__}').format(cycler) }}",
    ],
)
def test_there_is_no_way_out_of_a_template(escape: str) -> None:
    with pytest.raises(UserError, match=r"the prompt (cannot be filled in|is not a template)"):
        Prompter("p", escape).messages(ROW)
