"""Where watts and watt-hours meet, and exact division."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.state import SECOND_NS

NS_PER_MS = 1_000_000
MS_PER_S = 1_000
MS_PER_HOUR = 3_600_000


@kernel
def signed(count: Any) -> Any:
    """Return an unsigned field as a number that may be subtracted from."""
    return np.int64(count)


@kernel
def ns_of(time_s: Any) -> Any:
    """Return a time in seconds since 1970 in nanoseconds."""
    return np.int64(time_s) * SECOND_NS


@kernel
def energy_wh(power_w: int, span_ns: int) -> int:
    """Return the energy of a power over a span, to the nearest Wh, halves up."""
    return (int(power_w) * (span_ns // NS_PER_MS) + MS_PER_HOUR // 2) // MS_PER_HOUR


@kernel
def mean_power_w(energy_wh: int, span_ns: int) -> int:
    """Return the power that gives `energy_wh` over a span of at least a millisecond; floor."""
    return int(energy_wh) * MS_PER_HOUR // (span_ns // NS_PER_MS)


@kernel
def clamp(value: int, low: int, high: int) -> int:
    """Return `value`, or the end of low..high that it lies beyond."""
    return max(low, min(value, high))


@kernel
def share(amount: int, part: int, whole: int) -> int:
    """Return ``amount * part / whole``, floor, without overflow while part and whole are below 2^31."""
    assert whole > 0
    return amount // whole * part + amount % whole * part // whole
