"""How much of a mean's uncertainty is decoding, where each question was answered several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NEAR_WHOLE = 1e-6


def decoding_variance(means: Sequence[float], draws: int) -> float | None:
    """What drawing `draws` answers to each question adds to the variance of the mean over questions.

    `means` are shares of right answers. A question's draws vary by m (1 - m) draws / (draws - 1), without bias, and its
    mean by that over draws (Miller 2024, arXiv:2411.00640, section 3.1). None for one draw, no questions, and marks
    between right and wrong, whose spread their mean does not tell.
    """
    values = np.asarray(means, dtype=np.float64)
    rights = values * draws
    if draws < 2 or not len(values) or np.abs(rights - np.rint(rights)).max() > NEAR_WHOLE:
        return None
    return float((values * (1 - values) / (draws - 1)).mean() / len(values))
