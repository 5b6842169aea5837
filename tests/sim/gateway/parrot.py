"""A market for these tests: it says back what it is told, to oneself or to another session."""

import numpy as np

from ringmain.core.engine import Market
from ringmain.core.jit import kernel
from ringmain.core.messages import CLOSE_SESSION, market_schema
from ringmain.core.records import Field
from ringmain.core.sessions import head_event

schema = market_schema("parrot", version=1)
Say = schema.command(1, "Say", "Say it back.", (
    Field("value", "i8", "what"), Field("to_session_id", "u4", "who else is to hear it; 0: nobody"),
))  # fmt: skip
Mutter = schema.command(2, "Mutter", "Take it in, and answer nothing.", (Field("value", "i8", "what"),))
Repeat = schema.command(3, "Repeat", "Say something again, under the number that it was said under.", (
    Field("said_number", "i8", "the number"),
))  # fmt: skip
Said = schema.event(1, "Said", "What was told.", (Field("value", "i8", "what"),))
Heard = schema.event(2, "Heard", "What another told.", (Field("value", "i8", "what"),))
SaidAgain = schema.event(3, "SaidAgain", "What was told before.", (
    Field("command_number", "i8", "the number of the Repeat"),
))  # fmt: skip
Parted = schema.event(4, "Parted", "A session was closed; nobody's event.")

SAY, MUTTER, REPEAT = Say.kind, Mutter.kind, Repeat.kind
SAID, HEARD, SAID_AGAIN, PARTED = Said.kind, Heard.kind, SaidAgain.kind, Parted.kind
SAY_RECORD, REPEAT_RECORD, SAID_RECORD, AGAIN_RECORD = Say.dtype, Repeat.dtype, Said.dtype, SaidAgain.dtype
STATE = np.dtype([("next_deadline_ns", "i8"), ("total", "i8"), ("count", "i8")], align=True)


@kernel
def answer(parrot, command, say, repeat, said, again, n):
    if command.kind == SAY:
        head_event(said[n], command, SAID)
        said[n].value = say.value
        parrot.total += say.value
        n += 1
        if say.to_session_id != 0:
            head_event(said[n], command, HEARD)
            said[n].session_id = say.to_session_id
            said[n].session_number = 0
            said[n].value = say.value
            n += 1
    elif command.kind == REPEAT:
        head_event(again[n], command, SAID_AGAIN)
        again[n].session_number = repeat.said_number
        again[n].command_number = command.session_number
        n += 1
    elif command.kind == CLOSE_SESSION:
        head_event(said[n], command, PARTED)
        said[n].session_id = 0
        n += 1
    return n


@kernel
def apply(state, commands, events):
    parrot, n = state[0], 0
    says, repeats = commands.view(SAY_RECORD), commands.view(REPEAT_RECORD)
    said, again = events.view(SAID_RECORD), events.view(AGAIN_RECORD)
    for i in range(commands.size):
        if events.size - n < 2:
            return i, n
        parrot.count += 1
        n = answer(parrot, commands[i], says[i], repeats[i], said, again, n)
    return commands.size, n


MARKET = Market(schema, STATE, lambda state: None, apply, 2)
