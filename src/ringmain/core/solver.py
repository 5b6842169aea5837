"""HiGHS, as every part of this project uses it: silent, and in one thread.

All solvers of a process have to ask for as many threads: after a run with others, the next ends without a
status.
"""

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import highspy


def new_solver() -> Any:
    """Return an empty ``highspy.Highs``."""
    _greet()
    solver = highspy.Highs()
    for option, value in (("output_flag", False), ("threads", 1)):
        if solver.setOptionValue(option, value) != highspy.HighsStatus.kOk:
            raise AssertionError(f"HiGHS does not take {option}")
    return solver


@functools.cache
def _greet() -> None:
    """Make the first solver: it writes a banner to the process's output, where results are expected."""
    with _silence():
        highspy.Highs()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
