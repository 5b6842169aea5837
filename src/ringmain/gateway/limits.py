"""The gateway's limits: when one is reached, somebody is told, paused or disconnected; nothing grows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one port.

    Parameters
    ----------
    connections : int
        Connections at once, logged in or not; the next one is told TOO_MANY_CONNECTIONS. (A process
        has 20,000 file descriptors.)
    login_s : float
        From connecting to the whole Login.
    opening_s : float
        From Login to the market's SessionOpened; after that, MARKET_AWAY.
    heartbeat_ms_min, heartbeat_ms_max : int
        What a client may ask for; the answer is the nearest value between them.
    receive_bytes : int
        Read from one connection before the others have their turn.
    unread_bytes : int
        Written to a client that has not read it. Beyond that it is not written to, and not read
        from, until it has; it then catches up from the tape.
    unread_s : float
        How long it may stay so; after that, TOO_SLOW.
    pings : int
        Pings of one session that wait for their Pong.
    subscriptions : int
        Products that one session follows, counted once a feed.
    delay_s : float
        How much later delayed feeds are, seconds of logical time.
    """

    connections: int = 4_096
    login_s: float = 5.0
    opening_s: float = 10.0
    heartbeat_ms_min: int = 100
    heartbeat_ms_max: int = 60_000
    receive_bytes: int = 1 << 18
    unread_bytes: int = 1 << 22
    unread_s: float = 30.0
    pings: int = 1_024
    subscriptions: int = 1_024
    delay_s: float = 900.0
