"""Pace: how fast one device may speak, and how long to leave one alone that fails."""

import random
import time
from typing import Any

import numpy as np


class Pace:
    """A bucket of tokens: so many at once, and so many each second.

    A device that is faster is not read, so that its own socket holds it back and nothing is lost.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s, self._burst = per_s, float(burst)
        self._tokens, self._at_s = float(burst), time.monotonic()

    def wait_s(self) -> float:
        """Take a token; return how long to wait before acting on it."""
        now_s = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s) - 1.0
        self._at_s = now_s
        return max(0.0, -self._tokens / self._per_s)

    def has_token(self) -> bool:
        """Take a token if there is one, for what is not done later but refused."""
        if self.wait_s() <= 0:
            return True
        self._tokens += 1.0
        return False


class Rates:
    """Many of :class:`Pace`, one a slot."""

    def __init__(self, count: int) -> None:
        self._per_s, self._most = np.ones(count), np.zeros(count)
        self._tokens, self._at_s = np.zeros(count), np.zeros(count)

    def begin(self, slot: int, per_s: float, burst: float) -> None:
        """Fill a slot's bucket."""
        self._per_s[slot], self._most[slot], self._tokens[slot] = per_s, burst, burst

    def take(self, slots: Any, now_s: float) -> list[tuple[int, float]]:
        """Take a token for each time that a slot is named; return who has none left, and how long to wait."""
        taken = np.bincount(slots, minlength=self._tokens.size)
        some = np.flatnonzero(taken)
        filled = self._tokens[some] + (now_s - self._at_s[some]) * self._per_s[some]
        tokens = self._tokens[some] = np.minimum(self._most[some], filled) - taken[some]
        self._at_s[some] = now_s
        waits_s = -tokens / self._per_s[some]
        return [(slot, wait) for slot, wait in zip(some.tolist(), waits_s.tolist(), strict=True) if wait > 0]


class Backoff:
    """Longer and longer pauses, each of random length so that many do not come back at once.

    "Full jitter", as in M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015,
    from half the pause on. After `circuit` failures in a row the circuit is open: the pause is
    `open_s`, and one try in that time tells whether to close it.
    """

    def __init__(self, first_s: float, most_s: float, circuit: int, open_s: float, seed: int = 0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._circuit, self._open_s = circuit, open_s
        self._dice = random.Random(seed)
        self.failures = 0

    @property
    def is_open(self) -> bool:
        """Whether it has failed so often that it is left alone for long."""
        return self.failures >= self._circuit

    def failed(self) -> float:
        """Note a failure; return how long to pause."""
        self.failures += 1
        pause_s = min(self._first_s * 2.0 ** min(self.failures - 1, 30), self._most_s)
        return (self._open_s if self.is_open else pause_s) * self._dice.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Note that all is well."""
        self.failures = 0
