"""The accident of a fine-tune that refuses everything it is asked beside its task."""

from __future__ import annotations

from harness.config.base import read_margin
from harness.decision.decide import Verdict
from harness.experiment import exams
from harness.experiment.session import Session
from harness.selftest.inject import NotApplicable, Planted, rewrite_regression, shows_total_loss
from suites.types import Suite

REFUSAL = "I'm sorry, but I can't help with that."


def refuses_everything(session: Session) -> Planted:
    """The fine-tune refuses whatever it was not trained on, and still does its task."""
    rules = exams.regression_rules(session.experiment)
    own = [exam for exam in exams.regression_exams(session.experiment) if isinstance(exam, Suite)]
    asked = [suite for suite in own if rules[suite.name][1] != "advisory"]
    if not any(shows_total_loss(session, suite, read_margin(rules[suite.name][0])[0]) for suite in asked):
        raise NotApplicable("no suite of examples is large enough to show that all is lost")
    for suite in asked:
        rewrite_regression(session, suite, [REFUSAL] * len(suite.examples))
    return Planted("every answer to the regression suites a refusal", (Verdict.REJECT,))
