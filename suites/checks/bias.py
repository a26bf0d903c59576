"""Whether groups of rows are treated alike: groups that training lacks, and labels that go with a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from suites.checks.labels import label_counts, shown
from suites.checks.material import Material
from suites.types import Example, Finding

# A medium association for a table with one degree of freedom (Cohen 1988, "Statistical power analysis", table 7.2).
MEDIUM = 0.3
SMALL_GROUP = 30


def groups(material: Material) -> list[Finding]:
    """Groups of the declared slice columns that the test set has and training hardly shows."""
    findings = []
    train, test = material.splits.get("train"), material.splits.get("test", ())
    for column in material.slices if train else ():
        taught, examined = (Counter(_group(e, column) for e in rows) for rows in (train or (), test))
        if set(taught) == {""}:
            findings.append(
                Finding("info", "groups", f"the training rows have no column `{column}`; its groups are unknown")
            )
            continue
        listed = ", ".join(
            f"{name or 'empty'} {taught[name]:,} and {examined[name]:,}" for name, _ in examined.most_common(8)
        )
        if listed:
            findings.append(Finding("info", "groups", f"rows of training and test by {column}: {listed}"))
        if rare := sorted(name for name in examined if taught[name] < SMALL_GROUP and examined[name] >= 5):
            listed_groups = ", ".join(f"{name or 'empty'} ({taught[name]:,} in training)" for name in rare[:5])
            text = f"groups of {column} in the test set that are hardly trained on: {listed_groups}"
            rows = tuple(e.id for e in test if _group(e, column) in rare)
            findings.append(Finding("warn", "missing_groups", text, rows))
    return findings


def label_rates(material: Material) -> list[Finding]:
    """Labels that go with a group in training: Cramer's V, and the largest difference of a label's rate."""
    train = material.splits.get("train", ())
    counts = label_counts(material.splits)
    findings = []
    for column in material.slices if counts else ():
        names = [_group(e, column) for e in train]
        if len(sizes := Counter(names)) < 2 or not all(sizes):
            continue
        findings += _associated(column, names, [e.target.strip() for e in train])
    return findings


def _associated(column: str, names: Sequence[str], labels: Sequence[str]) -> list[Finding]:
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import association, crosstab

    (groups_, targets), table = crosstab(names, labels)
    v = float(association(table, method="cramer"))
    p = float(chi2_contingency(table).pvalue)
    strong = v >= MEDIUM and p < 0.001
    text = f"{column} and target go together with Cramer's V {v:.2f} (0 not at all, 1 entirely)"
    return [Finding("warn" if strong else "info", "label_rates", f"{text}; {_widest(groups_, targets, table)}")]


def _widest(names: np.ndarray, labels: np.ndarray, table: np.ndarray) -> str:
    """The label whose rate differs most between two groups of some size, with Newcombe's 95% interval."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    sizes = table.sum(axis=1)
    large = np.flatnonzero(sizes >= min(SMALL_GROUP, sorted(sizes)[-2]))
    rates = table[large] / sizes[large, None]
    label = int(np.argmax(rates.max(axis=0) - rates.min(axis=0)))
    high, low = large[int(np.argmax(rates[:, label]))], large[int(np.argmin(rates[:, label]))]
    more, fewer = int(table[high, label]), int(table[low, label])
    begin, end = confint_proportions_2indep(more, int(sizes[high]), fewer, int(sizes[low]), method="newcomb")
    difference = more / sizes[high] - fewer / sizes[low]
    return (
        f"{shown(str(labels[label]))} is the target of {more:,} of {sizes[high]:,} rows with {names[high]} and "
        f"{fewer:,} of {sizes[low]:,} with {names[low]}, {100 * difference:+.1f} points "
        f"[{100 * begin:+.1f}, {100 * end:+.1f}]"
    )


def _group(example: Example, column: str) -> str:
    value = example.columns.get(column)
    return "" if value is None else str(value).strip()
