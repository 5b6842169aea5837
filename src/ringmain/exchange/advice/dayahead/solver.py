"""HiGHS behind a few plain calls: a model as columns and rows, its statuses checked."""

from collections.abc import Sequence
from typing import Any

import highspy
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.solver import new_solver

INFINITY = highspy.kHighsInf
Floats = np.ndarray[Any, np.dtype[np.float64]]


class Model:
    """A linear or mixed-integer model that grows.

    Parameters
    ----------
    cost, lower, upper : sequences of float
        Of each column; the cost is maximised.
    """

    def __init__(self, cost: Sequence[float], lower: Sequence[float], upper: Sequence[float]) -> None:
        self._highs = new_solver()
        count = len(cost)
        self._check(
            self._highs.addCols(
                count, np.asarray(cost, np.float64), np.asarray(lower, np.float64),
                np.asarray(upper, np.float64), 0, np.zeros(0, np.int32), np.zeros(0, np.int32),
                np.zeros(0, np.float64),
            )
        )  # fmt: skip
        self._check(self._highs.changeObjectiveSense(highspy.ObjSense.kMaximize))

    def option(self, name: str, value: Any) -> None:
        """Set an option of HiGHS."""
        self._check(self._highs.setOptionValue(name, value))

    def rows(self, rows: Sequence[tuple[float, float, Sequence[int], Sequence[float]]]) -> None:
        """Add rows: lowest and highest value, columns and their coefficients."""
        if not rows:
            return
        sizes = [len(columns) for _, _, columns, _ in rows]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        columns = np.concatenate([np.asarray(row[2], np.int32) for row in rows])
        values = np.concatenate([np.asarray(row[3], np.float64) for row in rows])
        lower = np.array([row[0] for row in rows], np.float64)
        upper = np.array([row[1] for row in rows], np.float64)
        self._check(self._highs.addRows(len(rows), lower, upper, columns.size, starts, columns, values))

    def bounds(self, columns: Any, lower: Any, upper: Any) -> None:
        """Change the bounds of columns."""
        columns = np.asarray(columns, np.int32)
        if columns.size:
            lower = np.broadcast_to(np.asarray(lower, np.float64), columns.shape).copy()
            upper = np.broadcast_to(np.asarray(upper, np.float64), columns.shape).copy()
            self._check(self._highs.changeColsBounds(columns.size, columns, lower, upper))

    def row_bounds(self, rows: Any, values: Any) -> None:
        """Give rows a fixed value each."""
        rows, values = np.asarray(rows, np.int32), np.asarray(values, np.float64)
        for row, value in zip(rows.tolist(), values.tolist(), strict=True):
            self._check(self._highs.changeRowBounds(row, value, value))

    def integers(self, columns: Any, whole: bool) -> None:
        """Have columns take whole values only, or any."""
        columns = np.asarray(columns, np.int32)
        kind = highspy.HighsVarType.kInteger if whole else highspy.HighsVarType.kContinuous
        if columns.size:
            kinds = np.full(columns.size, kind.value, np.uint8)
            self._check(self._highs.changeColsIntegrality(columns.size, columns, kinds))

    def start_from(self, columns: Any, values: Any) -> None:
        """Give the solver a solution to begin with, as far as it is known."""
        columns = np.asarray(columns, np.int32)
        self._highs.setSolution(columns.size, columns, np.asarray(values, np.float64))

    def solve(self, time_limit_s: float) -> Floats | None:
        """Solve, at most so long; return the best columns that were found, or None."""
        self.option("time_limit", self._highs.getRunTime() + max(time_limit_s, 0.01))
        self._highs.run()
        status = self._highs.getModelStatus()
        known = (
            highspy.HighsModelStatus.kOptimal,
            highspy.HighsModelStatus.kTimeLimit,
            highspy.HighsModelStatus.kInfeasible,
            highspy.HighsModelStatus.kInterrupt,
            highspy.HighsModelStatus.kSolutionLimit,
        )
        if status not in known:
            name = self._highs.modelStatusToString(status)
            raise RingmainError("RM620", "dayahead", f"HiGHS says {name}", "Report it with the order book")
        solution = self._highs.getSolution()
        if self._highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        return np.array(solution.col_value)

    @property
    def objective(self) -> float:
        """The value of the solution found last."""
        return float(self._highs.getInfo().objective_function_value)

    @property
    def bound(self) -> float:
        """No whole solution is better than this."""
        return float(self._highs.getInfo().mip_dual_bound)

    def _check(self, status: Any) -> None:
        if status == highspy.HighsStatus.kError:
            raise RingmainError("RM621", "dayahead", "HiGHS refuses the model", "Report it with the book")
