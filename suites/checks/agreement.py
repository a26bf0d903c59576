"""How far several people agree on the same rows: Cohen's or Fleiss' kappa, and Krippendorff's alpha."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from suites.checks.material import Material
from suites.types import Finding

# Below this not even tentative conclusions are drawn (Krippendorff 2004, "Content analysis", 2nd ed., section 11.4).
FLOOR = 0.667


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement beyond chance, 1 for complete, 0 for none; `None` where it is not defined.

    `kappa` is over the rows that everybody labelled, `alpha` over all rows with two labels or more.
    """

    n_rows: int
    n_people: int
    kappa: float | None
    alpha: float | None


def agreement(labels: Sequence[Mapping[str, str]]) -> Agreement:
    """How far people agree on nominal labels; each row maps a person to the label that person gave it.

    Kappa is Cohen's (1960) for two people and Fleiss' (1971) for more, by statsmodels; alpha Krippendorff's (2004).
    """
    people = sorted({person for row in labels for person in row})
    names = sorted({label for row in labels for label in row.values()})
    code = {name: number for number, name in enumerate(names)}
    ratings = np.array([[code[row[p]] if p in row else -1 for p in people] for row in labels]).reshape(-1, len(people))
    several = ratings[(ratings >= 0).sum(axis=1) > 1]
    complete = ratings[(ratings >= 0).all(axis=1)]
    decided = len(people) > 1 and len(names) > 1
    return Agreement(
        n_rows=len(several),
        n_people=len(people),
        kappa=_kappa(complete, len(names)) if decided and len(complete) else None,
        alpha=_alpha(several) if decided and len(np.unique(several[several >= 0])) > 1 else None,
    )


def _kappa(ratings: np.ndarray, n_labels: int) -> float | None:
    from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa, to_table

    if len(np.unique(ratings)) < 2:
        return None
    if ratings.shape[1] == 2:
        table, _ = to_table(ratings, n_labels)
        return float(cohens_kappa(table, return_results=False))
    counts, _ = aggregate_raters(ratings)
    return float(fleiss_kappa(counts))


def _alpha(ratings: np.ndarray) -> float:
    import krippendorff

    data = np.where(ratings.T < 0, np.nan, ratings.T.astype(float))
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))


def annotators(material: Material) -> list[Finding]:
    """Rows with the labels of several people in a column `annotations`, a mapping from person to label."""
    findings = []
    for name, examples in material.splits.items():
        given = [e.columns.get("annotations") for e in examples]
        labels = [
            {str(p): str(v) for p, v in row.items()} for row in given if isinstance(row, Mapping) and len(row) > 1
        ]
        if not labels:
            continue
        measured = agreement(labels)
        if measured.alpha is None:
            continue
        low = measured.alpha < FLOOR
        kind = "Cohen's" if measured.n_people == 2 else "Fleiss'"
        kappa = "" if measured.kappa is None else f", {kind} kappa {measured.kappa:.2f}"
        text = (
            f"{measured.n_people} people agree on {measured.n_rows:,} {name} rows with Krippendorff's alpha "
            f"{measured.alpha:.2f}{kappa}; {'below' if low else 'at or above'} the floor of {FLOOR}"
        )
        split = tuple(
            e.id
            for e, row in zip(examples, given, strict=True)
            if isinstance(row, Mapping) and len(set(map(str, row.values()))) > 1
        )
        findings.append(Finding("warn" if low else "info", "agreement", text, split if low else ()))
    return findings
