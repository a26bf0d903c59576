"""A fine-tuning job of OpenAI's API, as it is asked for or as the API shows it: what is trained there is trained there.

Fields are those of https://platform.openai.com/docs/api-reference/fine-tuning/object. The files a job names lie at the
API; rows are learnt from here once they lie beside the job as `FILE-ID.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.importers.trainers.draft import Draft
from harness.importers.trainers.ledger import HARMLESS, Reason
from harness.importers.trainers.shapes import Shape
from harness.importers.trainers.sources import Source, find
from suites.errors import UserError

ENDPOINT = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"

REASONS = [
    Reason(("integrations*",), "trackers are named in training.report_to, and told by the harness"),
    Reason(("error*",), "the job failed there"),
    Reason(("result_files", "id", "object", "created_at", "finished_at", "status", "organization_id"), HARMLESS),
    Reason(
        ("trained_tokens", "estimated_finish", "metadata*", "suffix", "user_provided_suffix", "usage_metrics"), HARMLESS
    ),
    Reason(("shared_with_openai", "eval_id", "result_files*"), HARMLESS),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a fine-tuning job, asked for or answered."""
    return "training_file" in tree and "model" in tree


def read(draft: Draft) -> None:
    """The model behind the API, the hyperparameters of the job, and its files."""
    theirs = draft.theirs
    kind = theirs.get("method", "type") or "supervised"
    theirs.carry("training.openai_job", "method", "type")
    if kind != "supervised":
        fix = "train it there, and name the tuned model as `candidate: {endpoint: ..., name: ft:...}`"
        raise UserError(f"method: {kind}: jobs that the harness starts are supervised", str(draft.config), fix)
    name = str(theirs.carry("model.name", "model"))
    draft.experiment["model"] = {"endpoint": ENDPOINT, "name": name, "api_key_env": KEY}
    draft.remarks.append("the training stays at the API: a run of the experiment starts a job there, which is paid for")
    draft.seed(theirs, "seed")
    job = {"endpoint": ENDPOINT, "model": name, "api_key_env": KEY}
    hyperparameters = _hyperparameters(draft)
    draft.training = {"openai_job": job | ({"hyperparameters": hyperparameters} if hyperparameters else {})}
    draft.train = [_file(draft, "training_file", "data.train")]
    if theirs.get("validation_file"):
        draft.validation = [_file(draft, "validation_file", "data.validation")]
    if tuned := theirs.get("fine_tuned_model"):
        theirs.tell(
            "it has learnt every row of the training file; to examine it, name it as `candidate: {endpoint: "
            f"{ENDPOINT}, name: '{tuned}'}}` with a data.test of rows that it has not seen",
            "fine_tuned_model",
        )


def _hyperparameters(draft: Draft) -> dict[str, object]:
    """Those of the job, or of its method, that are numbers; `auto` is what the API does anyway."""
    given: dict[str, object] = {}
    for place in (("hyperparameters",), ("method", "supervised", "hyperparameters")):
        part = draft.theirs.at(*place)
        for name in part.tree:
            value = part.carry("training.openai_job.hyperparameters", name)
            if isinstance(value, int | float):
                given[name] = value
    return given


def _file(draft: Draft, key: str, to: str) -> Source:
    name = str(draft.theirs.carry(to, key))
    local = name if name.endswith(".jsonl") else f"{name}.jsonl"
    found = find(local, draft.config)
    if found is None:
        found = draft.out.parent / local
        draft.remarks.append(f"{key}: {name} lies at the API; fetch its content as {local} beside the experiment")
    return Source(name, (found,), shape=Shape("chat", {"messages": "messages"}))
