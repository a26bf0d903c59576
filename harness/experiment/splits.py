"""The examples of each split, from files, shares or folds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.experiment.load import Experiment
from harness.experiment.prompts import asked_columns
from harness.experiment.reading import reading
from harness.store.splits import Made
from suites.checks.material import ids
from suites.data.auto_slices import with_slices
from suites.data.examples import DataFile, read_data, sha256_json
from suites.data.hub import is_hub, locate
from suites.data.splits import folds, split
from suites.errors import UserError
from suites.similarity.copies import tied
from suites.similarity.identity import asked
from suites.similarity.near_groups import Links, Ties, near_ties
from suites.types import Example, Finding

Splits = Mapping[str, tuple[Example, ...]]


def read_files(experiment: Experiment) -> dict[str, DataFile]:
    """The data files that the experiment names, by split."""
    settings = experiment.config.data
    columns: dict[str, str] = {str(ours): theirs for ours, theirs in settings.columns.items()}
    exam = "test" if settings.test else "train"
    files = {}
    for name in ("train", "validation", "test"):
        if file := getattr(settings, name):
            slices = experiment.config.task.slice_columns if name == exam else ()
            files[name] = read_data(locate(file, experiment.folder), columns, slices, reading(experiment, name))
    return files


def read_splits(experiment: Experiment, files: Mapping[str, DataFile], keep: Mapping[str, str] | None = None) -> Splits:
    """The examples of `train`, `validation` and `test`, as in the files or split as the experiment says.

    `keep` has the sides of an earlier split by example id. Absent splits are left out. With folds all rows train, and
    all are tested; see `read_folds`. Rows of an exam that ask the same share a cluster, see `suites.similarity.copies`.
    """
    splits = {name: file.examples for name, file in files.items()}
    settings = experiment.config.data.split
    if settings and settings.folds:
        splits["test"] = splits["train"]
    elif settings:
        links = () if all(e.id in (keep or {}) for e in splits["train"]) else _ties(experiment, splits["train"]).links
        splits |= _parted(experiment, splits["train"], links, keep)
    columns = asked_columns(experiment, splits)
    for name in ("validation", "test"):
        if any(not example.messages for example in splits.get(name, ())):
            fix = "give rows with an input and a target"
            raise UserError(f"plain text asks nothing, and the {name} set is asked", f"data: {name}", fix)
        if name in splits:
            splits[name] = tied(splits[name], columns)
    if (rules := experiment.config.task.slice_rules) and "test" in splits:
        splits["test"] = with_slices(rules, splits["test"], splits.get("train", ()))
    return splits


def read_folds(experiment: Experiment, files: Mapping[str, DataFile]) -> list[Splits]:
    """The splits of each fold: itself to test, the next one to choose the prompt on, the others to train.

    None without `data.split.folds`. Raises UserError when a fold comes out empty.
    """
    settings = experiment.config.data.split
    if settings is None or settings.folds is None:
        return []
    columns = asked_columns(experiment, {"train": files["train"].examples})
    examples = tied(files["train"].examples, columns)
    if rules := experiment.config.task.slice_rules:
        examples = with_slices(rules, examples, examples)
    links = _ties(experiment, examples).links
    parts = folds(examples, settings.folds, settings.by, experiment.config.seed, links=links, columns=columns)
    if empty := [number for number, part in enumerate(parts, 1) if not part]:
        what = f"fold {empty[0]} of {settings.folds} has no rows: rows of one group or nearly the same stay together"
        raise UserError(what, "data.split.folds", "ask for fewer folds, or give more rows that differ")
    numbers = {example.id: number for number, part in enumerate(parts) for example in part}
    splits: list[Splits] = []
    for number, part in enumerate(parts):
        following = (number + 1) % settings.folds
        train = tuple(example for example in examples if numbers[example.id] not in (number, following))
        splits.append({"train": train, "validation": parts[following], "test": part})
    return splits


def _parted(
    experiment: Experiment, examples: Sequence[Example], links: Links, keep: Mapping[str, str] | None = None
) -> Splits:
    """The training file, with the shares that the experiment sets aside."""
    data, settings = experiment.config.data, experiment.config.data.split
    assert settings
    shares = {name: getattr(settings, name) for name in ("validation", "test") if not getattr(data, name)}
    shares = {name: share for name, share in shares.items() if share}
    columns, seed = asked_columns(experiment, {"train": examples}), experiment.config.seed
    return split(examples, shares, settings.by, seed, links=links, keep=keep, columns=columns)


def _ties(experiment: Experiment, examples: Sequence[Example]) -> Ties:
    """Near-duplicates, which belong on one side; without them where they would leave a side without rows."""
    ties = near_ties(tuple(asked(examples, asked_columns(experiment, {"train": examples}))))
    settings = experiment.config.data.split
    if not ties.links or (settings and settings.folds) or all(_parted(experiment, examples, ties.links).values()):
        return ties
    if not all(_parted(experiment, examples, ()).values()):
        return ties  # too few rows for these shares, whatever is kept together
    return Ties((), tuple(sorted({at for link in ties.links for at in link})))


def loose_rows(experiment: Experiment, files: Mapping[str, DataFile]) -> list[Finding]:
    """Rows that are nearly the same as others and yet are not kept on one side of a split, since no split could."""
    if experiment.config.data.split is None:
        return []
    examples = files["train"].examples
    ties = _ties(experiment, examples)
    if not ties.loose:
        return []
    kept = "by what is left without the words they share" if ties.templates else "only where they are wholly the same"
    text = (
        f"{len(ties.loose):,} of the {len(examples):,} rows to split are nearly the same as one another, too many for "
        f"one side; rows are kept together {kept}. `data.split.by: COLUMN` keeps equal values of a column together"
    )
    return [Finding("warn", "near_groups", text, ids(examples, ties.loose))]


def split_recipe(experiment: Experiment) -> str:
    """sha256 of what a split is made by, whatever the rows: the file as its folder has it, and the settings."""
    name = experiment.config.data.train or ""
    return _recipe(experiment, name if is_hub(name) else os.path.relpath(experiment.resolve(name), experiment.folder))


def earlier_split(experiment: Experiment, made: Sequence[Made]) -> str | None:
    """The id of this experiment's split among those on record, or else of the last one made by the same recipe.

    The folder may have moved since: one in another folder counts where its experiment had this one's name. Records of
    earlier versions know the file by where it then was.
    """
    recipe, train = split_recipe(experiment), experiment.config.data.train or ""
    for one in made:
        if one.experiment_id == experiment.id:
            return one.split_id
    for one in made:
        folder = Path(one.file).parent
        if folder != experiment.folder and one.name != experiment.name:
            continue
        if one.recipe in (recipe, _recipe(experiment, str(locate(train, folder)))):
            return one.split_id
    return None


def _recipe(experiment: Experiment, train: str) -> str:
    split = experiment.config.data.split
    parts = split.model_dump(exclude=None if split.folds else {"folds"}) if split else None
    return sha256_json([train, parts, experiment.config.seed])
