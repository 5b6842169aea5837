"""Acting on the spread of a forecast: a few day profiles of which the auction takes the best.

A schedule made on the mean forecast is right for the mean day. An exclusive group of profiles, each a block
of purchases linked to a block of sales, leaves the choice to the auction, which accepts the one that is
worth most at the prices that come about. Which profiles to offer is chosen over scenarios: each next one is
that which adds most to the mean, over the scenarios, of the best profile's worth. (That gain is submodular,
so the greedy choice is within 1 - 1/e of the best: Nemhauser, Wolsey and Fisher 1978.)
"""

from typing import Any

import numpy as np

PROFILES = 16  # offered at most


def choose_profiles(
    candidates_wh: Any, scenarios_ticks: Any, most: int = PROFILES, fixed_worth: Any = 0.0
) -> Any:
    """Return the profiles to offer, the one that is best on the mean first.

    Parameters
    ----------
    candidates_wh : float64 array of shape (n_candidates, n_hours)
        Energy given to the grid; below zero: taken.
    scenarios_ticks : float64 array of shape (n_scenarios, n_hours)
        Equally likely.
    most : int
        At least 1.
    fixed_worth : float64 array of shape (n_candidates,), optional
        Of each candidate, whatever the prices are: what stays stored is worth, less wear; Wh x ticks.

    Returns
    -------
    int64 array of shape (n,)
        Places among the candidates; n is `most` at most.
    """
    worth = candidates_wh @ scenarios_ticks.T + np.reshape(fixed_worth, (-1, 1))
    chosen: list[int] = []
    best = np.full(worth.shape[1], -np.inf)
    gain = worth.mean(axis=1)
    while len(chosen) < most:
        place = int(gain.argmax())
        if chosen and gain[place] <= 1e-9 * max(1.0, abs(float(best.mean()))):
            break
        chosen.append(place)
        best = np.maximum(best, worth[place])
        if len(chosen) == 1:
            best = np.maximum(best, 0.0)  # the auction may accept none
        gain = np.maximum(worth - best, 0.0).mean(axis=1)
    return np.array(chosen, np.int64)


def accepted(profiles_wh: Any, price_ticks: Any) -> int:
    """Return the place of the profile that an auction with these prices accepts, or -1 for none."""
    worth = profiles_wh @ price_ticks
    place = int(worth.argmax())
    return place if worth[place] > 0 else -1
