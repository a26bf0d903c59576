"""What should not stand in a row is found, and what only looks like it is left alone."""

import pytest

from suites.checks import content
from suites.checks.material import Material
from suites.types import Example


def found(check, *texts):
    """Rows (by their text) that a check of the content names."""
    rows = [Example(text, {"input": text, "target": "x"}, "x", text) for text in texts]
    return [row for finding in check(Material({"train": rows})) for row in finding.rows]


PERSONAL = {
    "e-mail addresses": ["anna.berg@mail.uni-koeln.de", "x+tag@gmail.com"],
    "phone numbers": ["+49 221 470 1234", "+44 20 7946 0958", "(212) 555-0187", "212-555-0187"],
    "IBANs": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
    "card numbers": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "IP addresses": ["8.8.8.8", "from 81.2.69.160:"],
}
HARMLESS = [
    "support@example.com", "me@localhost", "@property", "a @ b",
    "1995-2005", "2024-01-31 12:30:00", "+5", "x = 3 + 4 - 1234", "order 555-0187", "12,345,678.90", "3.14159265358979",
    "GB00 WEST 1234 5698 7654 32", "DE89370400440532013001", "AB12 CDEF",
    "4111 1111 1111 1112", "1234567890123456", "0000 0000 0000 0000", "1700000000000",
    "192.168.0.1", "127.0.0.1", "10.0.0.1", "version 1.2.3.4.5", "v4.57.1.2", "999.1.1.1", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in PERSONAL.items() for text in texts])
def test_personal_data_is_found_and_called_what_it_is(kind, text):
    rows = [Example("r", {"input": f"Please note {text}, thanks.", "target": "x"}, "x", "r")]
    [finding] = content.personal_data(Material({"train": rows}))
    assert finding.message.endswith(f"{kind} in 1")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_personal_data_is_left_alone(text):
    assert found(content.personal_data, f"Please note {text}, thanks.") == []


SECRETS = [
    "AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9, "xoxb-" + "123456789012-abcdef", "sk-proj-" + "Ab1_" * 10,
    "sk_live_" + "a1b2" * 6, "AIza" + "a1b2c" * 7, "hf_" + "abXY" * 8 + "ab", "-----BEGIN RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0",
]  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_keys_with_a_form_of_their_own_are_found(text):
    assert found(content.secrets, f"use {text} here") == [f"use {text} here"]


@pytest.mark.parametrize(
    "text", ["sk-learn", "my password is secret", "a" * 64, "AKIA", "ghp_short", "task-" + "a" * 40]
)
def test_what_is_merely_long_or_called_secret_is_left_alone(text):
    assert found(content.secrets, text) == []


@pytest.mark.parametrize("text", ["<|im_start|>user", "[INST] hi [/INST]", "</s>", "<start_of_turn>", "<|eot_id|>"])
def test_special_tokens_are_found(text):
    assert found(content.special_tokens, text, "<s>struck</s >", "a < b | c > d", "[INSTALL]") == [text]


def test_control_characters_are_found_and_line_breaks_and_joined_emoji_are_none():
    fine = ["a\tb\r\nc", "👩‍👩‍👧", "שלום", "naïve\u00a0text"]
    assert found(content.control_characters, "a\x00b", "\x1b[31m", "\u202eevil", *fine) == [
        "a\x00b",
        "\x1b[31m",
        "\u202eevil",
    ]


def test_what_a_row_holds_is_told_without_the_secret_itself():
    [finding] = content.secrets(Material({"train": [Example("r", {"input": SECRETS[0], "target": ""}, "", "r")]}))
    assert SECRETS[0] not in finding.message
