"""The way into the ring: commands of the sessions, and the gateway's own, in order."""

from collections import deque
from pathlib import Path
from typing import Any

from ringmain.core.messages import JOURNAL_FULL, TAPE_FULL, record_of
from ringmain.core.page import NodePage
from ringmain.core.records import Schema
from ringmain.core.ring import Producer, Ring
from ringmain.core.shared import ring_path
from ringmain.gateway.credentials import Credential


class Intake:
    """One market's ring, from the producer's end.

    Nothing overtakes: as long as a command of the gateway's own waits for room, no session's
    command is taken.

    Parameters
    ----------
    folder : Path
        The market's folder; its node has to run, or RM101 or RM111 is raised.
    schema : Schema
        The market's.
    """

    def __init__(self, folder: Path, schema: Schema) -> None:
        self._folder = folder
        self._page = NodePage(folder / "page")
        self._open, self._close = record_of(schema, "OpenSession"), record_of(schema, "CloseSession")
        self._own: deque[Any] = deque()
        self._epoch, self._is_claimed = 0, False
        self._producer = self._claim()

    @property
    def is_refused(self) -> bool:
        """Whether the node cannot take anything for want of room on its disk.

        A node that stops is not meant: its commands wait for the next one.
        """
        return self._producer.refusal in (JOURNAL_FULL, TAPE_FULL)

    def offer(self, commands: Any) -> int:
        """Publish commands of shape (n,) in order; return how many the ring has taken."""
        if not self.flush():
            return 0
        return self._producer.offer(commands)

    def open_session(self, credential: Credential, nonce: int) -> None:
        """Open a session, or ask the market where it stands; SessionOpened bears the `nonce`."""
        cancel = int(credential.cancel_on_disconnect)
        fields = {"account_id": credential.account_id, "numbering": credential.numbering}
        self._own.append(self._open(credential.session_id, nonce, cancel_on_disconnect=cancel, **fields))
        self.flush()

    def close_session(self, session_id: int) -> None:
        """Close a session; the market cancels what its opening said is to be cancelled."""
        self._own.append(self._close(session_id))
        self.flush()

    def flush(self) -> bool:
        """Publish the gateway's own commands; True if none is left waiting."""
        while self._own and self._producer.offer(self._own[0]):
            self._own.popleft()
        return not self._own

    def renew(self) -> bool:
        """Claim a lane anew if the node was restarted; True if so: what was on its way is gone.

        Raises what opening the ring raises as long as the new node has not made it; call again then.
        """
        if self._producer.is_current and self._page.get("epoch") == self._epoch:
            return False
        self.close()
        self._producer = self._claim()
        self._own.clear()
        return True

    def close(self) -> None:
        """Give the lane back."""
        if self._is_claimed:
            self._producer.close()
        self._is_claimed = False

    def _claim(self) -> Producer:
        self._epoch = self._page.get("epoch")
        producer = Ring.open(ring_path(self._folder)).producer()
        self._is_claimed = True
        return producer
