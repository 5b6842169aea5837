"""Drop copies: what all sessions of an account are told, by whatever door, for one that only reads."""

import logging
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.sessions import SESSIONS
from ringmain.gateway.credentials import Credential, Credentials
from ringmain.gateway.fanout import Fanout

LOG = logging.getLogger("ringmain.gateway")


class DropCopies:
    """The drop copies that are up to date, and which sessions each is about.

    An event belongs to an account if its session does, or if it names the account, as a delivery does.
    """

    def __init__(self, fanout: Fanout, credentials: Credentials) -> None:
        self._fanout, self._credentials = fanout, credentials
        self._live: dict[int, Credential] = {}  # by session
        self._sessions_of: dict[int, Any] = {}  # by account: uint8 array of shape (SESSIONS,)

    def listen(self, credential: Credential, is_listening: bool) -> None:
        """Have it sent each batch of the tape at once, or not."""
        if is_listening:
            self._live[credential.session_id] = credential
        else:
            self._live.pop(credential.session_id, None)

    def live(self) -> list[Credential]:
        """Return those who are sent each batch at once."""
        return list(self._live.values())

    def review(self) -> None:
        """Look for new sessions of the accounts."""
        for account_id in list(self._sessions_of):
            credential = next((c for c in self._live.values() if c.account_id == account_id), None)
            if credential is None:
                del self._sessions_of[account_id]
            else:
                self._look_up(credential)

    def note(self, credential: Credential) -> None:
        """Take in a session that logs in, so that nothing of a new one is left out."""
        if credential.account_id in self._sessions_of:
            self._sessions_of[credential.account_id][credential.session_id] = 1

    def select(self, credential: Credential, batch: Any) -> Any:
        """Return what a drop copy is to be sent of a batch; valid until the next call."""
        if credential.account_id not in self._sessions_of:
            self._look_up(credential)
        is_own = self._sessions_of[credential.account_id]
        return self._fanout.select_account(batch, credential.session_id, credential.account_id, is_own)

    def _look_up(self, credential: Credential) -> None:
        is_own = self._sessions_of.get(credential.account_id, np.zeros(SESSIONS, np.uint8))
        try:
            is_own[self._credentials.sessions_of(credential.market, credential.account_id)] = 1
        except RingmainError as error:
            LOG.error("%s", error)  # those known so far, until somebody has corrected the file
        self._sessions_of[credential.account_id] = is_own
