"""What people write for days, times and lengths of time, all in UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ringmain.core.errors import RingmainError

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
ALWAYS_NS = (0, 2**63 - 1)
LAST_DAY = date(2262, 4, 10)  # the last whole one before that
LENGTH_DAYS_MAX = 36_500


@dataclass(frozen=True)
class Span:
    """Times from `begin_ns` up to, and without, `end_ns`."""

    begin_ns: int = ALWAYS_NS[0]
    end_ns: int = ALWAYS_NS[1]


def day_span(text: str) -> Span:
    """Return a day such as ``2026-11-24``; RM647 if it is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "day", "2026-11-24") from None
    if not date(1970, 1, 1) <= day <= LAST_DAY:
        raise _out_of_range(text)
    begin_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND_NS
    return Span(begin_ns, begin_ns + DAY_NS)


def time_ns(text: str) -> int:
    """Return a time such as ``2026-11-24`` or ``2026-11-24T12:30``, UTC unless it says else; RM647."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "time", "2026-11-24 or 2026-11-24T12:30") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found_ns = round(moment.timestamp() * 1_000_000) * 1_000
    if not ALWAYS_NS[0] <= found_ns <= ALWAYS_NS[1]:
        raise _out_of_range(text)
    return found_ns


def span(begin: str | None, end: str | None) -> Span:
    """Return the times between two that may be left out; RM647 if nothing lies between them."""
    found = Span(
        time_ns(begin) if begin else ALWAYS_NS[0],
        time_ns(end) if end else ALWAYS_NS[1],
    )
    if found.begin_ns >= found.end_ns:
        raise RingmainError("RM647", "cli", f"{end} is not after {begin}", "Give --from before --to")
    return found


def length_ns(text: str) -> int:
    """Return a length of time such as ``15m``, ``1h``, ``30s`` or ``1d``; RM648 if it is none."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise RingmainError("RM648", "cli", f"{text} is no length of time", "Write it as 30s, 15m, 1h or 1d")
    length = int(match[1]) * UNITS_S[match[2]] * SECOND_NS
    if length > LENGTH_DAYS_MAX * DAY_NS:
        raise RingmainError(
            "RM648", "cli", f"{text} is longer than {LENGTH_DAYS_MAX} days", "Give a shorter one"
        )
    return length


def time_text(moment_ns: int) -> str:
    """Return a time for people; empty for 0, which stands for never."""
    if moment_ns == 0:
        return ""
    return f"{datetime.fromtimestamp(moment_ns // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S}"


def _no_time(text: str, what: str, example: str) -> RingmainError:
    return RingmainError("RM647", "cli", f"{text} is no {what}", f"Write it as {example}")


def _out_of_range(text: str) -> RingmainError:
    return RingmainError("RM647", "cli", f"{text} is out of range", f"Give 1970-01-01 to {LAST_DAY}")
