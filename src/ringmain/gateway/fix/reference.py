"""The reference page of the FIX door, made from its dictionary and its mapping."""

from collections.abc import Iterable, Mapping

from ringmain.exchange.messages import ORDER_TYPES, PHASES, REJECTIONS, SELF_TRADES, SIDES, TIMES_IN_FORCE
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.rules import REASON_TEXTS

QUOTE_REJECTIONS = (*m.QUOTE_REJ_REASONS, "QUANTITY_OUT_OF_RANGE", "QUOTE_PROTECTION_TRIPPED", "QUOTERS_FULL")

HEAD = """# FIX

<!-- Made by `ringmain docs reference`. Do not edit. -->

FIX 4.4 (`BeginString` FIX.4.4) and FIX 5.0 SP2 (FIXT.1.1, `DefaultApplVerID` 9). Fields in **bold** have to
be there. A field that is not listed for its message is refused by its tag; tags from 5000 on are passed over,
but for the venue's own.
How to connect: [Trade over FIX](../howto/fix.md).
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [HEAD, "## What the venue takes\n", _taken(), "## What the venue gives\n", _given()]
    parts += ["## Values\n", _values()]
    faults = _table(("373", "SessionRejectReason"), REASON_TEXTS.items())
    parts += ["## Why a message is rejected\n", faults]
    reasons = [
        (name, m.ORD_REJ_REASONS.get(name, m.OTHER))
        for name in sorted(REJECTIONS, key=REJECTIONS.__getitem__)
    ]
    quoted = [(name, m.QUOTE_REJ_REASONS.get(name, m.OTHER)) for name in QUOTE_REJECTIONS]
    parts += ["## Why a quote is rejected\n\n300 of the message, 368 of an entry; `Text` names each.\n",
              _table(("Text", "300, 368"), quoted)]  # fmt: skip
    parts += ["## Why an order is rejected\n\n`Text` (58) names the exchange's reason.\n",
              _table(("Text", "103"), reasons)]  # fmt: skip
    return "\n".join(parts)


def _taken() -> str:
    rows = []
    for code, kind in d.TAKEN.items():
        groups = [f"{_names([tag])}: {_members(group)}" for tag, group in kind.groups.items()]
        needed = (*kind.required, *d.GROUPS_REQUIRED.get(code, ()))
        fields = [f"**{_names([tag])}**" for tag in needed] + [_names([tag]) for tag in kind.optional]
        rows.append(
            (f"`{code.decode()}` {kind.name}", ", ".join(fields), "; ".join(groups), _names(kind.ignored))
        )
    return _table(("message", "fields", "groups", "passed over"), rows)


def _members(group: d.Group) -> str:
    """Return a group's fields; those of a group inside stand in brackets behind its count."""
    names = []
    for tag in group.tags:
        name = f"**{_names([tag])}**" if tag in group.required else _names([tag])
        names.append(f"{name} [{_members(group.groups[tag])}]" if tag in group.groups else name)
    return ", ".join(names)


def _given() -> str:
    rows = [(f"`{code.decode()}` {name}", _names(tags)) for code, (name, tags) in d.GIVEN.items()]
    return _table(("message", "fields"), rows)


def _values() -> str:
    rows: list[tuple[str, str, str]] = []
    for tag, table, names in ((54, m.SIDES, SIDES), (40, m.ORDER_TYPES, ORDER_TYPES),
                              (59, m.TIMES_IN_FORCE, TIMES_IN_FORCE),
                              (2964, m.SELF_TRADES, SELF_TRADES)):  # fmt: skip
        rows += [(_names([tag]), key.decode(), _name_of(names, code)) for key, code in table.items()]
    rows += [(_names([326]), str(m.TRADING_STATUS[code]), f"phase {name}") for name, code in PHASES.items()]
    rows += [
        (_names([44]), "decimal", f"in EUR/MWh; a tick is {10**-m.PRICE_DECIMALS}"),
        (_names([38]), "decimal", f"in MW; a lot is {10**-m.QUANTITY_DECIMALS}"),
        (_names([99]), "decimal", "as Price; the last price that brings a stop order in"),
        (_names([18]), m.POST_ONLY.decode(), "post-only: rejected if it would trade at once"),
        (_names([111]), "decimal", "as OrderQty; what an iceberg shows at a time"),
        (_names([1138]), "decimal", "MaxFloor's name in FIX 5.0 SP2; either is taken, of both versions"),
        (
            _names([d.CLIP_PRICE_STEP]),
            "decimal",
            "as Price; each clip's less the one before's, not better",
        ),
        (_names([d.BALANCING]), "Y or N", "whether it may trade in the balancing phase"),
        (_names([126]), "UTC, whole seconds", "when a GOOD_TILL_DATE order ends"),
        (_names([432]), "YYYYMMDD", "instead of ExpireTime: it ends with that day, in UTC"),
        (_names([378]), str(m.REPRICED), "an iceberg's next clip has another price"),
        (_names([378]), str(m.QUANTITY_REDUCED), "self-trade prevention has decremented the order"),
        (_names([11]), f"up to {m.CL_ORD_ID_BYTES} characters", "used once, until the numbers begin again"),
        (_names([55]), "digits", "the product's id"),
        (_names([37]), "SESSION-NUMBER", "the order's name at the venue"),
        (_names([17]), "digits", "the event's position on the tape; the same whenever it is sent again"),
        (_names([297]), str(m.QUOTE_ACCEPTED), "all of it, or a part of a mass quote, is in"),
        (_names([297]), str(m.CANCELLED_SYMBOL), "cancelled in the products named"),
        (_names([297]), str(m.CANCELLED_ALL), "all are cancelled"),
        (_names([297]), str(m.QUOTE_REJECTED), "nothing of it is in"),
        (_names([297]), str(m.QUOTE_NOT_FOUND), "there was nothing to cancel"),
        (_names([297]), str(m.CANCELLED_ONE), "the one is cancelled; in FIX 4.4 it is a 1"),
        (_names([298]), "1", "the quotes in the products that NoQuoteEntries names"),
        (_names([298]), "4", "all of the session's quotes"),
        (_names([298]), "5", "those of the message that QuoteID names"),
        (_names([301]), "0, 1", "refusals alone are told; so it is without the field"),
        (_names([301]), "2", "every quote is acknowledged"),
        (_names([394]), "3", "no bidding; the others are refused"),
        (_names([433]), "1", "at once; the others are refused"),
        (_names([431]), "3, 6, 7", "it trades, its fills follow; all has traded; it was refused"),
        (_names([442]), "3, 2", "of a whole block, whose Symbol is [N/A]; of its trade in one product"),
        (_names([1102]), "decimal", "StopPx in FIX 5.0 SP2's words, beside it, with 1100, 1101, 1107, 1109"),
        (_names([527]), "SEQUENCE-INDEX", "the trade's name, the same on both sides"),
    ]
    return _table(("field", "value", "meaning"), rows)


def _name_of(names: Mapping[str, int], code: int) -> str:
    return next(name for name, value in names.items() if value == code)


def _names(tags: Iterable[int]) -> str:
    return ", ".join(f"{d.FIELDS[tag][0]} ({tag})" for tag in tags)


def _table(headings: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
