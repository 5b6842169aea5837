"""The FIX door's limits, and its hours."""

from dataclasses import dataclass

DAY_S = 86_400


@dataclass(frozen=True)
class Schedule:
    """When sessions may be logged on, in seconds of the UTC day; equal times: always, without an end.

    A session with an end is a new one each day: its numbers begin at 1 again.
    """

    start_s: int = 0
    end_s: int = 0

    @property
    def is_always(self) -> bool:
        """Whether there are no hours to keep."""
        return self.start_s == self.end_s

    def period(self, now_s: float) -> int | None:
        """Return when the present session began, in seconds since 1970; 0 if always, None if closed."""
        if self.is_always:
            return 0
        second = now_s % DAY_S
        length = (self.end_s - self.start_s) % DAY_S
        since = (second - self.start_s) % DAY_S
        return int(now_s - since) if since < length else None


@dataclass(frozen=True)
class Limits:
    """Limits of the FIX door.

    Parameters
    ----------
    connections : int
        At once, logged on or not; one more is closed.
    login_s, opening_s : float
        From connecting to a whole Logon, and from that to the market's answer.
    logout_s : float
        How long a Logout waits for its answer.
    heartbeat_s_min, heartbeat_s_max : int
        What HeartBtInt may be.
    sending_time_s : float
        How far SendingTime may be from the gateway's clock.
    receive_bytes : int
        Read from one connection before the others have their turn.
    unread_bytes : int
        Written to a client that has not read it; beyond that it is not written to until it has.
    unread_s : float
        How long it may stay so.
    subscriptions : int
        Market data subscriptions of one session.
    schedule : Schedule
    """

    connections: int = 1_024
    login_s: float = 5.0
    opening_s: float = 10.0
    logout_s: float = 2.0
    heartbeat_s_min: int = 1
    heartbeat_s_max: int = 3_600
    sending_time_s: float = 120.0
    receive_bytes: int = 1 << 18
    unread_bytes: int = 1 << 22
    unread_s: float = 30.0
    subscriptions: int = 1_024
    schedule: Schedule = Schedule()
