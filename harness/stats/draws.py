"""How much of a mean's uncertainty is decoding, where each question was answered several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def decoding_variance(spreads: Sequence[float], draws: int) -> float | None:
    """What drawing `draws` answers to each question adds to the variance of the mean over questions.

    `spreads` are the variances of each question's marks, without bias; its mean varies by that over draws (Miller 2024,
    arXiv:2411.00640, section 3.1). None for one draw and for no questions.
    """
    if draws < 2 or not len(spreads):
        return None
    return float(np.mean(spreads) / draws / len(spreads))
