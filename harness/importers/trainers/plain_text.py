"""The refusal of a training on plain text, which asks nothing."""

from __future__ import annotations

from harness.importers.trainers.draft import Draft
from suites.errors import UserError


def plain_text(draft: Draft) -> UserError:
    """What to say of a config that goes on training on plain text."""
    fix = "train it there, and name what it leaves as `candidate: FOLDER` beside a `data.test` of questions and answers"
    what = "it goes on training on plain text, which asks nothing, so no exam can be made of it"
    return UserError(what, str(draft.config), fix)
