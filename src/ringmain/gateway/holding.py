"""Which door has a session open at the market, and how one hands it to another.

Every door marks the sessions that it takes with its process, in one page of memory. Whoever logs in
takes: it marks the session, and sends an OpenSession that says so. The door that had it reads that on
the tape, tells its client, and sends an OpenSession that yields, through the lane that its commands
came by, so behind all of them. The new one goes on from there: no number is used twice. A door that
is gone is not waited for.
"""

import os
import secrets
from pathlib import Path

from ringmain.core.sessions import SESSIONS
from ringmain.core.shared import SharedWords, is_alive, process_word

ASKS, TAKES, YIELDS = range(3)  # what an OpenSession is for: to hear where it stands, to have it, to let go
STAY, ENTER, RESEND, TAKE_AGAIN, LEAVE = range(5)  # what is to be done when one is answered
CLOSED = 0  # stands for a SessionClosed, where others have their nonces
PURPOSE_BITS, COUNT_BITS, BASE_BITS = 2, 35, 26


class Holdings:
    """The sessions of one market, and the doors that have them.

    Parameters
    ----------
    market_folder : Path
    """

    def __init__(self, market_folder: Path) -> None:
        self._words = SharedWords(market_folder / "holdings", SESSIONS).array
        self._own = process_word(os.getpid())

    def other_has(self, session_id: int) -> bool:
        """Tell whether another door that lives has it."""
        word = int(self._words[session_id])
        return word != self._own and is_alive(word)

    def is_left(self, session_id: int) -> bool:
        """Tell whether a door that is gone has left it open."""
        word = int(self._words[session_id])
        return word != 0 and not is_alive(word)

    def take(self, session_id: int, awaited: int = 0) -> int:
        """Mark it as this door's; return the mark of another one that has it and is to yield, or 0.

        `awaited` is that of one that was to yield when this door took it last.
        """
        former = int(self._words[session_id]) if self.other_has(session_id) else awaited
        self._words[session_id] = self._own
        return former if is_alive(former) else 0

    def give_back(self, session_id: int, former: int = 0) -> bool:
        """Mark it as nobody's, or as the door's that has not yielded; return whether it was this one's.

        What another door has taken meanwhile stays that one's.
        """
        if self.other_has(session_id):
            return False
        self._words[session_id] = former
        return True


class Nonces:
    """What a door's OpenSessions bear: rising numbers, no other door's, that say what they are for."""

    def __init__(self) -> None:
        self._base = 1 + secrets.randbelow((1 << BASE_BITS) - 1)
        self._next = self._base << COUNT_BITS

    def next(self, purpose: int) -> int:
        """Return the next one."""
        self._next += 1
        return self._next << PURPOSE_BITS | purpose

    def is_own(self, nonce: int) -> bool:
        """Tell whether this door has sent it."""
        return nonce >> (COUNT_BITS + PURPOSE_BITS) == self._base


def purpose_of(nonce: int) -> int:
    """Return what the OpenSession was for that bore it."""
    return nonce & ((1 << PURPOSE_BITS) - 1)
