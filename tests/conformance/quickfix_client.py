"""The real QuickFIX as a client, its callbacks turned into a list that tests wait on."""

import gc
import sys
import threading
import time
from pathlib import Path

import quickfix as fix

WAIT_S = 30.0
DICTIONARIES = Path(sys.prefix) / "share" / "quickfix"

SETTINGS = """[DEFAULT]
ConnectionType=initiator
ReconnectInterval=1
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt={heartbeat_s}
UseDataDictionary=Y
ValidateUserDefinedFields=N
ValidateFieldsHaveValues=Y
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
FileStorePath={folder}/store
FileLogPath={folder}/log
ResetOnLogon={reset}

[SESSION]
BeginString={begin_string}
SenderCompID={sender}
TargetCompID=RINGMAIN
{dictionaries}
"""
DICTIONARY_LINES = {
    "FIX.4.4": f"DataDictionary={DICTIONARIES}/FIX44.xml",
    "FIXT.1.1": "DefaultApplVerID=FIX.5.0SP2\n"
    f"TransportDataDictionary={DICTIONARIES}/FIXT11.xml\nAppDataDictionary={DICTIONARIES}/FIX50SP2.xml",
}


class Application(fix.Application):
    """Keeps what comes."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.news = threading.Condition()
        self.heard: list[dict[int, str]] = []
        self.admin: list[str] = []
        self.is_on = False
        self.logons = 0

    def onCreate(self, session_id) -> None:
        pass

    def onLogon(self, session_id) -> None:
        with self.news:
            self.is_on, self.logons = True, self.logons + 1
            self.news.notify_all()

    def onLogout(self, session_id) -> None:
        with self.news:
            self.is_on = False
            self.news.notify_all()

    def toAdmin(self, message, session_id) -> None:
        kind = fix.MsgType()
        message.getHeader().getField(kind)
        if kind.getValue() == "A":
            message.setField(554, self.token)

    def fromAdmin(self, message, session_id) -> None:
        with self.news:
            self.admin.append(message.toString())
            self.news.notify_all()

    def toApp(self, message, session_id) -> None:
        pass

    def fromApp(self, message, session_id) -> None:
        with self.news:
            self.heard.append(fields_of(message.toString()))
            self.news.notify_all()


class QuickFix:
    """One initiator with its own folder, which it keeps from one life to the next."""

    def __init__(self, folder: Path, port: int, token: str, begin_string="FIX.4.4", sender="TRADER",
                 heartbeat_s=5, reset="N") -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "client.cfg"
        config.write_text(
            SETTINGS.format(
                port=port, folder=folder, begin_string=begin_string, sender=sender, heartbeat_s=heartbeat_s,
                reset=reset, dictionaries=DICTIONARY_LINES[begin_string],
            )
        )  # fmt: skip
        self.begin_string, self.sender, self.folder = begin_string, sender, folder
        self.application = Application(token)
        settings = fix.SessionSettings(str(config))
        self._parts = (settings, fix.FileStoreFactory(settings), fix.FileLogFactory(settings))
        self.initiator = fix.SocketInitiator(self.application, self._parts[1], settings, self._parts[2])
        self.session_id = fix.SessionID(begin_string, sender, "RINGMAIN")
        self.initiator.start()

    def wait_logon(self, count: int = 1) -> None:
        self.wait_for(lambda: self.application.is_on and self.application.logons >= count, "a logon")

    def wait_for(self, is_so, what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        with self.application.news:
            while not is_so():
                remaining = deadline - time.monotonic()
                assert remaining > 0, f"{what} does not come: {self.heard[-3:]} {self.application.admin[-3:]}"
                self.application.news.wait(min(remaining, 0.2))

    @property
    def heard(self) -> list[dict[int, str]]:
        return self.application.heard

    def next(self, **wanted: str) -> dict[int, str]:
        """Wait for the first message not yet taken that has these fields, and take it."""
        tags = {int(name[1:]): value for name, value in wanted.items()}
        found: list[dict[int, str]] = []

        def look() -> bool:
            for message in self.heard:
                if all(message.get(tag) == value for tag, value in tags.items()):
                    found.append(message)
                    return True
            return False

        self.wait_for(look, f"a message with {tags}")
        self.heard.remove(found[0])
        return found[0]

    def send(self, kind: str, fields: list[tuple[int, str]], groups=()) -> None:
        message = fix.Message()
        message.getHeader().setField(fix.MsgType(kind))
        for tag, value in fields:
            message.setField(tag, value)
        for count_tag, first_tag, entries in groups:
            for entry in entries:
                group = fix.Group(count_tag, first_tag)
                for tag, value in entry:
                    group.setField(tag, value)
                message.addGroup(group)
        assert fix.Session.sendToTarget(message, self.session_id)

    def order(self, name: str, side="1", quantity="1.0", price="50.00", symbol="1", kind="2", lasting="0"):
        fields = [
            (11, name),
            (55, symbol),
            (54, side),
            (60, now()),
            (38, quantity),
            (40, kind),
            (59, lasting),
        ]
        self.send("D", fields + ([(44, price)] if kind == "2" else []))

    def cancel(self, name: str, original: str, side="1", symbol="1") -> None:
        self.send("F", [(11, name), (41, original), (55, symbol), (54, side), (60, now()), (38, "1.0")])

    def replace(self, name, original, side="1", quantity="1.0", price="50.00", symbol="1") -> None:
        self.send("G", [(11, name), (41, original), (55, symbol), (54, side), (60, now()), (38, quantity),
                        (40, "2"), (44, price), (59, "0")])  # fmt: skip

    def stop(self) -> None:
        if self.initiator is not None:
            self.initiator.stop()
        self.initiator = None  # QuickFIX finds sessions by their names: an old one would be found first
        gc.collect()


def fields_of(text: str) -> dict[int, str]:
    """Return a message's fields; of repeated ones the first."""
    pairs = [part.split("=", 1) for part in text.split("\x01") if part]
    return {int(tag): value for tag, value in reversed(pairs)}


def now() -> str:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()) + ".000"
