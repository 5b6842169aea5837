"""A FIX client of bare bytes: it says what a client should not, and keeps its own numbers."""

import socket
import time

from ringmain.gateway.fix.codec import Message, encode, parse, split, timestamp


class Raw:
    """One connection; numbers go on over connections if they are handed over."""

    def __init__(self, port: int, sender: bytes = b"RAW", number: int = 1, begin_string=b"FIX.4.4") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.sender, self.number, self.begin_string = sender, number, begin_string
        self.rest = b""
        self.heard: list[Message] = []

    def message(self, kind: bytes, fields=(), number=None, **head) -> bytes:
        if number is None:
            number, self.number = self.number, self.number + 1
        values = {35: kind, 49: self.sender, 56: b"RINGMAIN", 34: b"%d" % number,
                  52: timestamp(time.time_ns())}  # fmt: skip
        values |= {int(name[1:]): value for name, value in head.items()}
        return encode(self.begin_string, [*values.items(), *fields])

    def say(self, kind: bytes, fields=(), **head) -> None:
        self.socket.sendall(self.message(kind, fields, **head))

    def log_on(self, token: str, fields=(), **head) -> Message:
        self.say(b"A", [(98, b"0"), (108, b"30"), (554, token.encode()), *fields], **head)
        return self.hear()

    def order(self, name: bytes, side=b"1", price=b"50.00", quantity=b"1.0", symbol=b"1", **head) -> bytes:
        now = timestamp(time.time_ns())
        fields = [(11, name), (55, symbol), (54, side), (60, now), (38, quantity), (40, b"2"), (44, price)]
        return self.message(b"D", [*fields, (59, b"0")], **head)

    def hear(self) -> Message | None:
        """Return the next message, None at the end."""
        while not self.heard:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not data:
                return None
            whole, done = split(self.rest + data)
            self.rest = (self.rest + data)[done:]
            self.heard += map(parse, whole)
        return self.heard.pop(0)

    def hear_until(self, kind: bytes, **wanted) -> Message:
        tags = {int(name[1:]): value for name, value in wanted.items()}
        while (message := self.hear()) is not None:
            if message.type == kind and all(message.get(tag) == value for tag, value in tags.items()):
                return message
        raise AssertionError(f"the connection ended before {kind} {tags}")

    def is_ended(self) -> bool:
        while self.hear() is not None:
            pass
        return True

    def close(self) -> None:
        self.socket.close()
