"""Servers at their worst: replies that are no answers, never end, lead elsewhere; and when one is given up."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import CERTIFICATE, ChatServer, Reply, answer, serving

from harness.models import asking, exchange, openai
from harness.models.exchange import Elsewhere, TooLong, _Incoming, _same_host
from harness.models.openai import OpenAIModel
from harness.models.patience import Patience, retry_after
from harness.observe import progress
from suites.errors import Resumable, UserError
from suites.model import Completion, Generation, ModelSpec, Prompt


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.001)


def ask(server: ChatServer, fault: str = "", n: int = 1, **settings: Any) -> list[Completion]:
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.at(fault), **settings))
    return model.generate([Prompt(str(i), f"question {i}") for i in range(n)], Generation())


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("null", "its content is null"),
        ("filtered", "the server withheld the answer (content_filter)"),
        ("thinking_only", "there is thinking alone, and no answer"),
        ("tool_only", "a tool was called, and no text given"),
        ("number", "its content is a number, expected text or a list of parts"),
        ("infinite_tokens", "its usage.completion_tokens is inf, expected a whole number from 0 to 2147483647"),
        ("many_tokens", "its usage.completion_tokens is 3000000000"),
        ("error_in_200", "no chat completion: {'error': {'code': 502, 'message': 'upstream is down'}}"),
        ("no_choices", "no chat completion: {'choices': []}"),
        ("html", "the reply is not JSON: Expecting value at 1, in '<html><body>Sign in</body></html>'"),
        ("cut_json", "the reply is not JSON: Unterminated string starting at at 38"),
        ("deep", "the reply is nested too deeply"),
        ("not_utf8", "the reply is not UTF-8: byte 0xff at 39"),
        ("dead", "HTTP 500: the model crashed"),
        ("dropped", "chat/completions: RemoteDisconnected: Remote end closed connection without response"),
        ("circle", "it redirects again and again"),
    ],
)
def test_a_reply_without_an_answer_is_an_error_row_that_says_why(server: ChatServer, fault: str, why: str) -> None:
    (failed,) = ask(server, fault)
    assert (failed.text, failed.finish) == ("", "error")
    assert why in (failed.error or "")


@pytest.fixture(scope="module")
def secure_server() -> Iterator[ChatServer]:
    with serving("https") as server:
        yield server


@pytest.mark.parametrize("fault", ["slow_headers", "continue", "slow_body", "silent"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_whole_reply_has_a_deadline(
    server: ChatServer, secure_server: ChatServer, scheme: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    server = secure_server if scheme == "https" else server
    monkeypatch.setattr(asking, "ATTEMPTS", 2)
    started = time.monotonic()
    (failed,) = ask(server, fault, timeout_seconds=0.2)
    assert "no whole reply came within 0.2 s" in (failed.error or "")
    assert 0.4 <= time.monotonic() - started < 2


def test_a_server_without_a_certificate_that_is_known_gets_no_question(secure_server: ChatServer) -> None:
    before = len(secure_server.bodies)
    with pytest.raises(UserError, match="certificate verify failed"):
        ask(secure_server)
    assert len(secure_server.bodies) == before


@pytest.mark.parametrize("fault", ["endless_body", "endless_chunk_size"])
def test_a_reply_has_a_longest_length_wherever_it_does_not_end(
    server: ChatServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LONGEST_REPLY", 2**20)
    (failed,) = ask(server, fault)
    words = "the reply is longer than 1 MiB", "exceeded maximum allowed length"  # newer libraries bound a line
    assert any(said in (failed.error or "") for said in words)


def test_the_longest_reply_is_read_and_not_a_byte_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LONGEST_REPLY", 100)
    with socket.socket() as sock:
        sock.settimeout(1)
        assert len(io.BufferedReader(_Incoming(io.BytesIO(b"x" * 100), sock)).read()) == 100  # type: ignore[arg-type]
        with pytest.raises(TooLong):
            io.BufferedReader(_Incoming(io.BytesIO(b"x" * 101), sock)).read()  # type: ignore[arg-type]


def test_a_reply_that_unpacks_to_more_is_too_long(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(exchange, "LONGEST_REPLY", 2**20)
    packed = gzip.compress(b" " * 2**22)
    server.behave = lambda number, body: (200, {"Content-Encoding": "gzip"}, packed)
    assert "longer than" in (ask(server)[0].error or "")


def test_a_connection_that_was_nearly_late_serves_the_next_request(server: ChatServer) -> None:
    """What was left of a reply's time must not be all that the next request has to be sent in."""

    def behave(number: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.25 if "question 0" in str(body["messages"]) else 0)
        return answer("ok")

    server.behave = behave
    before = len(server.bodies)
    assert [a.text for a in ask(server, n=3, concurrency=1, timeout_seconds=0.3)] == ["ok"] * 3
    assert len(server.bodies) - before == 3


def test_a_redirect_on_the_same_host_is_followed_with_the_question(server: ChatServer) -> None:
    server.behave = lambda number, body: answer(body["messages"][-1]["content"].upper())
    assert ask(server, "moved")[0].text == "QUESTION 0"


def test_neither_key_nor_questions_go_to_another_host(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(server.bodies)
    (failed,) = ask(server, "elsewhere")
    assert "it redirects to 'http://localhost" in (failed.error or "")
    assert "neither key nor questions are sent there" in (failed.error or "")
    assert len(server.bodies) == before + 1
    monkeypatch.setattr(server, "able", lambda body: (302, {"Location": "https://evil.example/v1"}, b""))
    with pytest.raises(UserError, match=r"redirects to 'https://evil\.example/v1'") as refused:
        ask(server)
    assert "give the address of the server that is meant" in refused.value.fix


@pytest.mark.parametrize(
    ("location", "goes"),
    [
        ("/v1/other", True),
        ("http://host:8000/x", True),
        ("//host:8000/x", True),
        ("http://host:8001/x", False),
        ("https://host:8000/x", False),
        ("http://host.evil.example:8000/x", False),
        ("http://me@host:8000/x", True),
        ("http://host:8000@evil.example/x", False),
        ("//evil.example/x", False),
        ("http://[/x", False),
    ],
)
def test_the_same_host_is_its_scheme_name_and_port(location: str, goes: bool) -> None:
    if goes:
        assert "host:8000/" in _same_host("http://host:8000/v1", location)
    else:
        with pytest.raises(Elsewhere):
            _same_host("http://host:8000/v1", location)


def test_what_a_netrc_has_for_the_host_is_not_sent(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.behave = lambda number, body: answer("ok")
    ask(server)
    assert "Authorization" not in server.headers[-1]


def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", "sk-secret\nX-Other: 1")
    with pytest.raises(UserError, match="TINY_KEY holds no key") as refused:
        ask(server, api_key_env="TINY_KEY")
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("TINY_KEY", "sk-secret\n")  # as a file ends
    server.behave = lambda number, body: answer("ok")
    ask(server, api_key_env="TINY_KEY")
    assert server.headers[-1]["Authorization"] == "Bearer sk-secret"


KEY = "sk-secret-of-ours"


def test_a_key_that_comes_back_in_an_answer_is_hidden(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", KEY)
    server.behave = lambda number, body: answer(
        "headers: sk-secret-of-ours", reasoning_content="I see sk-secret-of-ours"
    )
    (given,) = ask(server, api_key_env="TINY_KEY")
    assert (given.text, given.reasoning) == ("headers: ***", "I see ***")


def test_an_answer_is_changed_for_nothing_but_the_key_that_was_sent(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SORT_KEY", "delivery and returns")  # not all that is named as one is a key
    monkeypatch.setenv("TINY_KEY", "not-needed")  # what a local server is given may be the words of an answer
    server.behave = lambda number, body: answer("delivery and returns: not-needed")
    (given,) = ask(server, api_key_env="TINY_KEY")
    assert given.text == "delivery and returns: not-needed"


def test_what_stands_before_the_at_of_an_address_is_sent_as_it_says(server: ChatServer) -> None:
    server.behave = lambda number, body: answer("ok")
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url.replace("//", "//me:word@")))
    model.generate([Prompt("a", "hi")], Generation())
    assert server.headers[-1]["Authorization"] == "Basic bWU6d29yZA=="


def test_a_dead_server_is_given_up_and_what_it_answered_is_kept(server: ChatServer) -> None:
    """Ten failures in a row at one request at once: nine and an answer are none."""
    first = len(server.bodies)

    def behave(number: int, body: dict[str, Any]) -> Reply:
        asked = int(body["messages"][-1]["content"].split()[1])
        return answer("ok") if asked in (0, 10) else (500, {}, b"out of memory")

    server.behave = behave
    seen: list[tuple[int, Completion]] = []
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url, concurrency=1))
    with pytest.raises(Resumable, match="10 requests in a row failed, the last with: HTTP 500: out of memory") as dead:
        model.generate([Prompt(str(i), f"question {i}") for i in range(99)], Generation(), on_progress=seen.extend)
    assert "the same command asks for the rest" in dead.value.fix
    assert {i: given.text for i, given in seen if not given.error} == {0: "ok", 10: "ok"}
    assert len(server.bodies) - first == 2 + 5 * 19


def test_requests_that_are_refused_for_themselves_do_not_give_a_server_up(server: ChatServer) -> None:
    server.behave = lambda number, body: (413, {}, b"too long")
    assert all("too long" in (given.error or "") for given in ask(server, n=30))


@pytest.mark.parametrize(("concurrency", "most"), [(1, 10), (3, 10), (4, 12), (64, 192)])
def test_as_many_failures_in_a_row_are_borne_as_three_rounds_have(concurrency: int, most: int) -> None:
    patient = Patience("url", concurrency)
    for _ in range(most - 1):
        patient.failed("HTTP 500")
    patient.answered(1.0)
    for _ in range(most - 1):
        patient.failed("HTTP 500")
    assert patient.remark == f"{most - 1} of {most} requests in a row failed (HTTP 500)"
    with pytest.raises(Resumable, match=f"{most} requests in a row"):
        patient.failed("HTTP 500")


def test_a_server_is_waited_for_as_long_as_it_says_but_not_until_tomorrow(server: ChatServer) -> None:
    patient = Patience("url", 1)
    patient.pause("HTTP 429: slow down", 900, time.monotonic())
    assert 895 < patient.to_wait <= 990
    assert patient.remark.endswith(" s for the server (HTTP 429: slow down)")
    with pytest.raises(Resumable, match="asks to be left alone for 15 minutes"):
        patient.pause("HTTP 429", 900.1, time.monotonic())
    with pytest.raises(Resumable, match="has been busy for 15 minutes, and answered nobody"):
        patient.pause("HTTP 429", 1, time.monotonic() - 901)
    patient.answered(1.0)
    patient.pause("HTTP 429", 1, time.monotonic() - 901)  # others are answered
    with pytest.raises(Resumable, match=r"left alone for 24\.0 hours: HTTP 429: the day's quota is spent"):
        ask(server, "tomorrow")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3), ("0.5", 0.5), ("-1", 0), ("nan", None), ("inf", None), ("1e999", None), ("soon", None), ("", None),
     (None, None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 99 Oct 99999 07:28:00 GMT", None)],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date_or_unknown(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_waiting_stands_beside_the_bar(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openai, "TICK_S", 0.05)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    first = len(server.bodies) + 1
    busy = (429, {"Retry-After": "1.2"}, b"slow down")
    server.behave = lambda number, body: busy if number == first else answer("ok")
    with progress.phase("exam", 2):
        ask(server, n=2, concurrency=1)
    told = capsys.readouterr().err
    assert "exam: 0/2 in" in told
    assert "waiting 1 s for the server (HTTP 429: slow down)" in told
    assert "waiting" not in told.splitlines()[-1]


def test_a_server_that_does_not_answer_the_probe_is_seen_to_be_tried_again(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openai, "TICK_S", 0.01)
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(server, "able", lambda body: (503, {}, b"loading the model"))
    with pytest.raises(Resumable, match="loading the model"), progress.phase("exam", 2):
        ask(server)
    assert "exam: 0/2 in" in (told := capsys.readouterr().err)
    assert "trying again (HTTP 503: loading the model)" in told


def test_parts_that_are_no_text_are_told(server: ChatServer, capsys: pytest.CaptureFixture[str]) -> None:
    parts: Any = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    server.behave = lambda number, body: answer(parts)
    assert ask(server)[0].text == "ab"
    assert capsys.readouterr().err == "left out of the answers, as it is no text: image_url\n"


def test_an_answer_that_was_being_handed_over_when_the_interruption_came_is_handed_over_again(
    server: ChatServer,
) -> None:
    server.behave = lambda number, body: answer("ok")
    seen: list[int] = []

    def interrupted_once(batch: list[tuple[int, Completion]]) -> None:
        if not seen:
            seen.append(-1)
            raise KeyboardInterrupt
        seen.extend(i for i, _ in batch)

    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url, concurrency=1))
    with pytest.raises(KeyboardInterrupt):
        model.generate([Prompt("a", "hi")], Generation(), on_progress=interrupted_once)
    assert seen == [-1, 0]


def test_what_comes_after_an_interruption_is_handed_over_as_it_comes(server: ChatServer) -> None:
    """Whoever kills the process while it waits for the slowest must not lose the others."""
    slow, seen = threading.Event(), threading.Event()
    interruptions = [KeyboardInterrupt]

    def behave(number: int, body: dict[str, Any]) -> Reply:
        if "question 1" in str(body["messages"]):
            time.sleep(0.3)
        if "question 2" in str(body["messages"]):
            assert seen.wait(5)
            slow.set()
        return answer("ok")

    def keep(batch: list[tuple[int, Completion]]) -> None:
        if batch[0][0] == 1:
            seen.set()
        if batch[0][0] == 0 and interruptions:
            raise interruptions.pop()

    server.behave = behave
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url, concurrency=3))
    with pytest.raises(KeyboardInterrupt):
        model.generate([Prompt(str(i), f"question {i}") for i in range(3)], Generation(), on_progress=keep)
    assert slow.is_set()


def test_a_probe_of_anthropics_shape_is_no_crash(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"type": "message", "content": [{"type": "text", "text": "{}"}], "stop_reason": "end_turn"}
    monkeypatch.setattr(server, "able", lambda body: (200, {}, json.dumps(said).encode()))
    assert not OpenAIModel(ModelSpec(base="tiny", endpoint=server.url)).abilities.logprobs
