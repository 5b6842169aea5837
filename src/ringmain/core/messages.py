"""The core's own commands, events and reasons, present in every market's schema."""

from ringmain.core.records import Field, Record, Schema

STRICT, RISING = 0, 1  # how a session numbers its commands

REPEATED, NUMBER_SKIPPED, SESSION_NOT_OPEN, UNKNOWN_COMMAND, WRONG_LAYOUT = range(0xFF01, 0xFF06)
JOURNAL_FULL, TAPE_FULL, STOPPING = range(0xFF06, 0xFF09)  # why a node takes nothing just now
REASONS = {
    "REPEATED": REPEATED,
    "NUMBER_SKIPPED": NUMBER_SKIPPED,
    "SESSION_NOT_OPEN": SESSION_NOT_OPEN,
    "UNKNOWN_COMMAND": UNKNOWN_COMMAND,
    "WRONG_LAYOUT": WRONG_LAYOUT,
    "JOURNAL_FULL": JOURNAL_FULL,
    "TAPE_FULL": TAPE_FULL,
    "STOPPING": STOPPING,
}

REASONS_BY_CODE = {code: name for name, code in REASONS.items()}

TIMER, OPEN_SESSION, CLOSE_SESSION = 0xFF01, 0xFF02, 0xFF03
SESSION_OPENED, SESSION_CLOSED, COMMAND_REFUSED = 0xFF11, 0xFF12, 0xFF13

ACCOUNT_ID = Field("account_id", "u4", "on whose behalf the session speaks")


def market_schema(name: str, version: int, slots: int = 1) -> Schema:
    """Return a new schema that already holds the core's records."""
    schema = Schema(name, version, slots)
    schema.refusals(REASONS)
    schema.command(TIMER, "Timer", "The engine's next deadline has been reached.")
    schema.command(OPEN_SESSION, "OpenSession", "Let a session send commands; its numbering goes on.", (
        ACCOUNT_ID,
        Field("numbering", "u1", "how it counts", {"STRICT": STRICT, "RISING": RISING}),
        Field("cancel_on_disconnect", "u1", "1: the market cancels what rests when the session closes"),
    ))  # fmt: skip
    schema.command(CLOSE_SESSION, "CloseSession", "End a session; its last number is kept.")
    schema.event(SESSION_OPENED, "SessionOpened", "The session may send.", (
        ACCOUNT_ID,
        Field("last_number", "i8", "the last number that the engine has answered"),
    ))  # fmt: skip
    schema.event(SESSION_CLOSED, "SessionClosed", "The session has ended.")
    schema.event(COMMAND_REFUSED, "CommandRefused", "The command did not reach the market.", (
        Field("first_sequence", "i8", "REPEATED: where the first answer stands; 0: longer ago than is kept"),
        Field("expected_number", "i8", "the number that the session was to send"),
        Field("refused_kind", "u2", "the command's kind"),
        Field("reason", "u2", "why", REASONS),
    ))  # fmt: skip
    return schema


def record_of(schema: Schema, name: str) -> Record:
    """Return the command or event called `name`."""
    for record in (*schema.commands.values(), *schema.events.values()):
        if record.name == name:
            return record
    raise KeyError(name)
