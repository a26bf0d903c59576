"""What a server accepts; apart from the client, whose import costs a third of a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one probe found the server to accept. `limit` is its name for the limit of new tokens."""

    limit: str
    temperature: bool
    seed: bool
    logprobs: bool
    json_mode: bool
