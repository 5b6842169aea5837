"""Messages as a client writes them, and a session that is logged on, for the tests of the FIX door."""

import time

from ringmain.gateway.fix.codec import encode, parse, split, timestamp
from ringmain.gateway.fix.limits import Limits
from ringmain.gateway.fix.session import Session

CLIENT, VENUE = b"CLIENT", b"RINGMAIN"
SECOND = 1_000_000_000
START = time.time_ns() // SECOND * SECOND


def message(kind, number, fields=(), now_ns=START, begin_string=b"FIX.4.4", head=(), **values):
    """Return a message's bytes; values are `_TAG=text`, and None leaves a header field out."""
    header = {35: kind, 49: CLIENT, 56: VENUE, 34: b"%d" % number, 52: timestamp(now_ns)}
    header |= {int(name[1:]): value for name, value in values.items()}
    pairs = [(tag, value) for tag, value in header.items() if value is not None]
    return encode(begin_string, pairs + list(head) + list(fields))


def logon(number=1, heartbeat=30, fields=(), **values):
    return message(b"A", number, [(98, b"0"), (108, b"%d" % heartbeat), *fields], **values)


def order(number, name=b"A1", **changes):  # the name may be given as _11 too
    """Return a NewOrderSingle; changes are `_TAG=text`, None leaves a field out."""
    fields = {11: name, 21: b"1", 55: b"1", 54: b"1", 60: timestamp(START), 38: b"1.0", 40: b"2",
              44: b"50.00", 59: b"0"}  # fmt: skip
    body = {int(key[1:]): value for key, value in changes.items()}
    head = {f"_{tag}": body.pop(tag) for tag in (34, 49, 52, 56) if tag in body}
    fields |= body
    return message(b"D", number, [(tag, value) for tag, value in fields.items() if value is not None], **head)


class Talk:
    """A session of the venue's side, and what it has said."""

    def __init__(self, next_in=1, next_out=1, begin_string=b"FIX.4.4", is_on=True, **limits) -> None:
        self.now_ns = START
        self.begin_string = begin_string
        self.session = Session(begin_string, VENUE, CLIENT, next_in, next_out, Limits(**limits))
        if is_on:
            self.log_on(logon(next_in, begin_string=begin_string, fields=self.logon_fields))
            self.said()

    @property
    def logon_fields(self):
        return [(1137, b"9")] if self.begin_string == b"FIXT.1.1" else []

    def log_on(self, raw, **values):
        return self.session.log_on(parse(raw), self.now_ns, **values)

    def hear(self, raw):
        return self.session.receive(parse(raw), self.now_ns)

    def say(self, kind, number, fields=(), **values):
        return self.hear(
            message(kind, number, fields, now_ns=self.now_ns, begin_string=self.begin_string, **values)
        )

    def wait(self, seconds):
        self.now_ns += int(seconds * SECOND)
        self.session.tick(self.now_ns)

    def said(self):
        """Return and forget what the session has said, parsed."""
        outbox, self.session.outbox = self.session.outbox, []
        whole, done = split(b"".join(data for data, _ in outbox))
        assert done == sum(len(data) for data, _ in outbox)
        return [parse(raw) for raw in whole]

    def only(self):
        (said,) = self.said()
        return said
