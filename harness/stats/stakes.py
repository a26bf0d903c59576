"""What it is worth to know more: a normal estimate of a gain, and a loss that grows in line with being wrong.

With a flat prior and normal errors the posterior of a mean is its sampling distribution (Gelman et al. 2013, Bayesian
Data Analysis, section 2.5). What a decision between two choices is worth under it, and what further data would add, are
integrals of one function, the unit normal loss L(u) = phi(u) - u Phi(-u) (Raiffa and Schlaifer 1961, Applied
Statistical Decision Theory, chapter 5).
"""

from __future__ import annotations

import math

from scipy.special import ndtr


def unit_loss(u: float) -> float:
    """E max(0, Z - u) of a standard normal Z."""
    return math.exp(-u * u / 2) / math.sqrt(2 * math.pi) - u * float(ndtr(-u))


def chance_above(value: float, error: float, limit: float) -> float:
    """Chance that what was estimated as `value`, with standard error `error` > 0, is above `limit`."""
    return float(ndtr((value - limit) / error))


def mean_excess(value: float, error: float) -> float:
    """E max(0, X) of a normal X with this mean and standard deviation > 0."""
    return error * unit_loss(-value / error)


def worth_of_sample(value: float, error: float, n: int, more: int) -> float:
    """What `more` examples beside `n` are worth before a choice between X and 0 that is made by the sign of its mean.

    They move the posterior mean by a normal amount of standard deviation `error` sqrt(more / (n + more)); the choice
    gains where that turns the sign (Raiffa and Schlaifer 1961, section 5.4: expected value of sample information).
    """
    moved = error * math.sqrt(more / (n + more))
    return moved * unit_loss(abs(value) / moved)
