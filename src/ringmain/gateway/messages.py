"""Session-level records: what client and gateway say to each other around the market's own records.

They share the market's frame: the 32-byte header, and as many slots as every record of the market,
so that a stream of both is one array. Their kinds lie below the core's and above any market's.
"""

import functools
from collections.abc import Mapping

from ringmain.core.messages import record_of
from ringmain.core.records import Field, Record, Schema

GATEWAY_VERSION = 2  # layout version of the records below; stands in their headers
FIRST_SESSION_KIND, LAST_SESSION_KIND = 0xFE00, 0xFEFF
TOKEN_BYTES = 24  # of text, 144 random bits

LOGIN, LOGOUT, HEARTBEAT, PING, RESEND_REQUEST, RESUME, SUBSCRIBE, UNSUBSCRIBE = range(0xFE01, 0xFE09)
LOGIN_ACCEPTED, LOGIN_REFUSED, LOGGED_OUT, PONG, RESEND_BEGUN, RESEND_COMMANDS, REFUSED = range(
    0xFE81, 0xFE88
)
SNAPSHOT_BEGUN, SNAPSHOT_ENDED, LEVEL_CHANGED, TRADE_PRINTED, PHASE_CHANGED = range(0xFEA1, 0xFEA6)
ORDER_SHOWN, TOP_CHANGED, STATISTICS_CHANGED, INDICATIVE_CHANGED, SUBSCRIPTION_ENDED = range(0xFEA6, 0xFEAB)
TERMS_CHANGED, PRICE_SHOWN = 0xFEAB, 0xFEAC
FIRST_DATA_KIND = SNAPSHOT_BEGUN

REASONS: Mapping[str, int] = {
    "UNKNOWN_TOKEN": 0xFE01,
    "OTHER_LAYOUT": 0xFE02,
    "LOGIN_EXPECTED": 0xFE03,
    "LOGIN_TIMEOUT": 0xFE04,
    "TOO_MANY_CONNECTIONS": 0xFE05,
    "TAKEN_OVER": 0xFE06,
    "HEARTBEAT_LOST": 0xFE07,
    "TOO_SLOW": 0xFE08,
    "BAD_FRAME": 0xFE09,
    "UNKNOWN_KIND": 0xFE0A,
    "NOT_PERMITTED": 0xFE0B,
    "NOT_ACCEPTING": 0xFE0C,
    "TOO_MANY_PINGS": 0xFE0D,
    "TOO_MANY_SUBSCRIPTIONS": 0xFE0E,
    "NO_SUCH_FEED": 0xFE0F,
    "TOO_OLD": 0xFE10,
    "STOPPING": 0xFE11,
    "GOODBYE": 0xFE12,
    "AFTER_REFUSED": 0xFE13,
    "MARKET_AWAY": 0xFE14,
    "WRONG_SCHEMA": 0xFE15,
    "TOKEN_EXPIRED": 0xFE16,
    "TOKEN_REVOKED": 0xFE17,
    "WRONG_CERTIFICATE": 0xFE18,
    "NOT_ENTITLED": 0xFE19,
}
REASON_DOCS: Mapping[str, str] = {
    "UNKNOWN_TOKEN": "no credential of this market has the token",
    "OTHER_LAYOUT": "the client's records are laid out differently; the answer names the gateway's layout",
    "LOGIN_EXPECTED": "the first record was not Login",
    "LOGIN_TIMEOUT": "no Login came in time",
    "TOO_MANY_CONNECTIONS": "the port's connections are all taken",
    "TAKEN_OVER": "the same credential logged in on another connection, which goes on with the session",
    "HEARTBEAT_LOST": "nothing was heard for two and a half heartbeats",
    "TOO_SLOW": "the client left its events unread for too long",
    "BAD_FRAME": "a header whose slots, version, encoding or length are not this market's",
    "UNKNOWN_KIND": "no command of this market has the kind",
    "NOT_PERMITTED": "the credential may not send this: a core command, or any command of an observer",
    "NOT_ACCEPTING": "the market takes no commands just now, for instance because its disk is full",
    "TOO_MANY_PINGS": "pings are answered in order, and too many wait already",
    "TOO_MANY_SUBSCRIPTIONS": "the session follows as many products as it may",
    "NO_SUCH_FEED": "the market publishes no such feed",
    "TOO_OLD": "the tape no longer reaches back to what was asked for",
    "STOPPING": "the gateway is shutting down",
    "GOODBYE": "the client logged out",
    "AFTER_REFUSED": "given by the client library itself: sent behind a command that was refused",
    "MARKET_AWAY": "the market's node has not answered the log-in in time",
    "WRONG_SCHEMA": "an SBE header whose schema id or version are not this market's",
    "TOKEN_EXPIRED": "the credential's time is over",
    "TOKEN_REVOKED": "the credential was revoked",
    "WRONG_CERTIFICATE": "the credential is bound to another client certificate",
    "NOT_ENTITLED": "the account may not trade the product, or not see that much of it",
}
(
    UNKNOWN_TOKEN, OTHER_LAYOUT, LOGIN_EXPECTED, LOGIN_TIMEOUT, TOO_MANY_CONNECTIONS, TAKEN_OVER,
    HEARTBEAT_LOST, TOO_SLOW, BAD_FRAME, UNKNOWN_KIND, NOT_PERMITTED, NOT_ACCEPTING, TOO_MANY_PINGS,
    TOO_MANY_SUBSCRIPTIONS, NO_SUCH_FEED, TOO_OLD, STOPPING, GOODBYE, AFTER_REFUSED, MARKET_AWAY,
    WRONG_SCHEMA, TOKEN_EXPIRED, TOKEN_REVOKED, WRONG_CERTIFICATE, NOT_ENTITLED,
) = REASONS.values()  # fmt: skip

DEPTH, TRADES, PHASES, ORDERS, TOP, STATISTICS, INDICATIVE, TERMS = range(1, 9)
DELAYED = 0x80  # added to a feed: the same, later
_FEEDS = {
    "DEPTH": DEPTH, "TRADES": TRADES, "PHASES": PHASES, "ORDERS": ORDERS, "TOP": TOP,
    "STATISTICS": STATISTICS, "INDICATIVE": INDICATIVE, "TERMS": TERMS,
}  # fmt: skip
PRICES = 16  # of a fleet; product 0
FEEDS = _FEEDS | {f"DELAYED_{name}": DELAYED | feed for name, feed in _FEEDS.items()} | {"PRICES": PRICES}

_REASON = Field("reason", "u2", "why", REASONS)
_LAYOUT = Field("layout", "u4", "the market schema's layout, from layout_word()")
_HEARTBEAT_MS = Field("heartbeat_ms", "u4", "longest silence of either side, milliseconds")
_AFTER = Field("after_sequence", "i8", "the events behind this sequence")
_SKIP = Field("skip_events", "u4", "and the events of that sequence itself but for its first so many")
_LAST_NUMBER = Field("last_number", "i8", "the session's last number that the engine has answered")
_PRODUCT = Field("product_id", "u4", "the product")
_FEED = Field("feed", "u1", "which feed", FEEDS)
_VALUE = Field("value", "i8", "any number of the client's; it comes back")
_PRICE = Field("price_ticks", "i8", "price in ticks")


def layout_word(schema: Schema) -> int:
    """Return the schema's layout as a number that fits a record: the digest's first 32 bits."""
    return int(schema.digest()[:8], 16)


@functools.cache
def gateway_schema(slots: int) -> Schema:
    """Return the session-level records for a market whose records take `slots` slots."""
    schema = Schema("gateway", GATEWAY_VERSION, slots)
    schema.refusals(REASONS)
    _declare_requests(schema)
    _declare_answers(schema)
    _declare_data(schema)
    return schema


@functools.cache
def session_record(slots: int, name: str) -> Record:
    """Return one session-level record by name, for a market of so many slots."""
    return record_of(gateway_schema(slots), name)


def _declare_requests(schema: Schema) -> None:
    schema.command(LOGIN, "Login", "The first record on every connection.", (
        Field("token", f"S{TOKEN_BYTES}", "the credential's token"), _LAYOUT, _HEARTBEAT_MS,
    ))  # fmt: skip
    schema.command(LOGOUT, "Logout", "End the session; the gateway answers LoggedOut and closes.")
    schema.command(HEARTBEAT, "Heartbeat", "Still here. Sent by either side when it has been silent.")
    schema.command(PING, "Ping", "Ask for a Pong behind all events that were readable by now.", (_VALUE,))
    schema.command(RESEND_REQUEST, "ResendRequest", "Stream the session's events again.", (_AFTER, _SKIP))
    schema.command(RESUME, "Resume", "What follows is counted on from the number last agreed on.")
    schema.command(SUBSCRIBE, "Subscribe", "Follow a product's public feed.", (_PRODUCT, _FEED))
    schema.command(UNSUBSCRIBE, "Unsubscribe", "Follow it no longer.", (_PRODUCT, _FEED))


def _declare_answers(schema: Schema) -> None:
    schema.event(LOGIN_ACCEPTED, "LoginAccepted", "The session is open; its id stands in the header.", (
        _LAST_NUMBER, Field("last_sequence", "i8", "sequence of the opening; events go on from it"),
        Field("account_id", "u4", "the account that the session speaks for"), _LAYOUT, _HEARTBEAT_MS,
    ))  # fmt: skip
    schema.event(LOGIN_REFUSED, "LoginRefused", "The connection ends.", (_LAYOUT, _REASON))
    schema.event(LOGGED_OUT, "LoggedOut", "The session ends, and the connection.", (_REASON,))
    schema.event(HEARTBEAT, "Heartbeat", "Still here.")
    schema.event(PONG, "Pong", "Everything readable when the Ping came has been sent.", (_VALUE,))
    schema.event(
        RESEND_BEGUN, "ResendBegun", "The events from there on follow, then live ones.", (_AFTER, _SKIP)
    )
    schema.event(
        RESEND_COMMANDS, "ResendCommands",
        "The market's node was restarted: commands above last_number are lost. All are dropped until Resume.",
        (_LAST_NUMBER,),
    )  # fmt: skip
    schema.event(
        REFUSED, "Refused",
        "What was sent went no further. If it was a command, those behind it are dropped until Resume.",
        (Field("refused_kind", "u2", "its kind"), _REASON),
    )  # fmt: skip


def _declare_data(schema: Schema) -> None:
    """Declare market data.

    Its header bears, as session_number, the place in its subject's own count, and as time_ns the logical
    time up to which it tells.
    """
    quantity = Field("quantity_lots", "i8", "quantity in lots; of a level: what rests there now, 0 for none")
    side = Field("side", "u1", "as the market's orders have it")
    schema.event(
        SNAPSHOT_BEGUN, "SnapshotBegun", "Forget the feed's product; its state follows.", (_PRODUCT, _FEED)
    )
    schema.event(
        SNAPSHOT_ENDED, "SnapshotEnded", "The state is complete as of the sequence.", (_PRODUCT, _FEED)
    )
    schema.event(LEVEL_CHANGED, "LevelChanged", "All that rests at a price.", (
        _PRICE, quantity, _PRODUCT, side,
    ))  # fmt: skip
    schema.event(TRADE_PRINTED, "TradePrinted", "A trade.", (_PRICE, quantity, _PRODUCT))
    schema.event(PHASE_CHANGED, "PhaseChanged", "The product's trading phase.", (
        _PRODUCT, Field("phase", "u1", "as the market numbers its phases"),
    ))  # fmt: skip
    schema.event(ORDER_SHOWN, "OrderShown", "What an order shows; at a price, the lower order_id is first.", (
        Field("order_id", "i8", "names the order as long as it keeps its priority, and nobody with it"),
        _PRICE, Field("quantity_lots", "i8", "what it shows now, 0: it is gone"), _PRODUCT, side,
    ))  # fmt: skip
    schema.event(TOP_CHANGED, "TopChanged", "The best bid and offer.", (
        Field("bid_lots", "i8", "quantity at the best bid, 0: there is none"),
        Field("ask_lots", "i8", "quantity at the best offer, 0: there is none"),
        Field("bid_ticks", "i4", "the best bid"), Field("ask_ticks", "i4", "the best offer"), _PRODUCT,
    ))  # fmt: skip
    schema.event(STATISTICS_CHANGED, "StatisticsChanged", "The product's trades in figures.", (
        Field("volume_lots", "i8", "traded quantity; 0: nothing, and no price means anything"),
        Field("open_ticks", "i4", "first price"), Field("high_ticks", "i4", "highest price"),
        Field("low_ticks", "i4", "lowest price"), Field("last_ticks", "i4", "last price"),
        Field("vwap_centiticks", "i4", "volume-weighted average price, 1/100 tick, rounded down"),
        _PRODUCT,
    ))  # fmt: skip
    schema.event(INDICATIVE_CHANGED, "IndicativeChanged", "What the call auction would give now.", (
        _PRICE, Field("volume_lots", "i8", "how much would trade; 0: no price"),
        Field("surplus_lots", "i8", "bids less offers left at the price"), _PRODUCT,
    ))  # fmt: skip
    schema.event(TERMS_CHANGED, "TermsChanged", "What the product is, and when it ends.", (
        Field("gate_closure_ns", "i8", "when trading ends; 0: never, or not known yet"),
        Field("delivery_start_ns", "i8", "start of the delivery period; 0: there is none"),
        _PRODUCT, Field("value_minor", "u4", "money for one lot at one tick"),
        Field("price_step_ticks", "i4", "limit prices are multiples of it"),
        Field("lot_step_lots", "i4", "quantities are multiples of it"),
    ))  # fmt: skip
    schema.event(PRICE_SHOWN, "PriceShown", "What a period costs; the sequence is its sheet's number.", (
        Field("delivery_start_ns", "i8", "start of the period"),
        Field("commanded_until_ns", "i8", "until then a device without a set-point rests"),
        Field("valid_until_ns", "i8", "from then on it rests again; between the two it plans by the prices"),
        Field("price_ticks", "i4", "0.01 EUR/MWh"),
        Field("delivery_duration_s", "u4", "length of the period"),
    ))  # fmt: skip
    schema.event(SUBSCRIPTION_ENDED, "SubscriptionEnded", "The feed's product is no longer sent.", (
        _PRODUCT, _FEED, _REASON,
    ))  # fmt: skip
