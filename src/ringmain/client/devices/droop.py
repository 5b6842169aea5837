"""A device's own answer to the frequency that it measures: power rises as frequency falls, with no cloud.

Droop is the deviation of frequency, as a share of nominal, at which the whole rated power answers (ENTSO-E,
Requirements for Generators, Regulation (EU) 2016/631, articles 13 and 15: 2 to 12 %, and a dead band).
"""

import math
from dataclasses import dataclass

NOMINAL_HZ = 50.0


@dataclass(frozen=True)
class Droop:
    """How a device answers.

    Parameters
    ----------
    rated_w : float
        The power that the droop is of.
    droop : float
        Share of the nominal frequency, above 0: 0.004 gives all at 200 mHz beyond the dead band.
    deadband_hz : float
        Deviations up to it are left alone; beyond it they are counted from its edge.
    most_w : float
        The answer is no larger, either way.
    """

    rated_w: float
    droop: float = 0.004
    deadband_hz: float = 0.010
    most_w: float = math.inf
    nominal_hz: float = NOMINAL_HZ

    def response_w(self, frequency_hz: float) -> float:
        """Return the power that is added to the set-point; 0 for a frequency that was not measured."""
        deviation_hz = frequency_hz - self.nominal_hz
        if not math.isfinite(deviation_hz) or abs(deviation_hz) <= self.deadband_hz:
            return 0.0
        beyond_hz = math.copysign(abs(deviation_hz) - self.deadband_hz, deviation_hz)
        wanted_w = -beyond_hz / (self.droop * self.nominal_hz) * self.rated_w
        return min(max(wanted_w, -self.most_w), self.most_w)

    def power_w(self, setpoint_w: float, frequency_hz: float, limits_w: tuple[float, float]) -> float:
        """Return the power to run at: set-point and answer together, from the least to the most it can."""
        least_w, most_w = limits_w
        return min(max(setpoint_w + self.response_w(frequency_hz), least_w), most_w)
