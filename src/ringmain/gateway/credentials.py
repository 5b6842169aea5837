"""Who may log in: tokens, kept as hashes, and what each stands for."""

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from ringmain.core.errors import RingmainError
from ringmain.core.messages import RISING, STRICT
from ringmain.gateway.messages import TOKEN_BYTES, TOKEN_EXPIRED, TOKEN_REVOKED

OPERATOR_ACCOUNT = 0
SESSION_IDS = 4_096  # the engine's sessions are numbered below this
FILE_NAME = "credentials.json"
NO_FILE = (0, 0, 0)
DIGEST = re.compile("[0-9a-f]{64}")

Role = Literal["operator", "participant", "observer", "drop_copy"]
READ_ONLY: tuple[Role, ...] = ("observer", "drop_copy")


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token stands for.

    Parameters
    ----------
    token_sha256 : str
        Hash of the token, in hex; the token itself is kept nowhere.
    market : str
        The one market that it opens.
    session_id : int
        Its session there, 1 to 4,095; no other credential of the market has it.
    account_id : int
        On whose behalf it speaks; 0 is the operator's.
    name : str
        For people: who holds it.
    role : "operator", "participant", "observer" or "drop_copy"
        An observer sends no commands. Neither does a drop copy, which is sent the events of all sessions
        of its account. Only an operator has account 0.
    cancel_on_disconnect : bool
        Whether the market cancels what rests when the connection ends.
    rising_numbers : bool
        Whether the session may leave numbers out.
    expires_s : int
        When it ends, seconds since 1970 UTC by the wall's clock; 0: never.
    revoked : bool
        Whether it has ended. It is kept, so that nobody else gets its session and with it the past.
    certificate_sha256 : str
        If not empty, the digest in hex of the one client certificate that it may be used with.
    """

    token_sha256: str
    market: str
    session_id: int
    account_id: int
    name: str
    role: Role = "participant"
    cancel_on_disconnect: bool = True
    rising_numbers: bool = False
    expires_s: int = 0
    revoked: bool = False
    certificate_sha256: str = ""

    @property
    def is_read_only(self) -> bool:
        """Whether it sends no commands."""
        return self.role in READ_ONLY

    @property
    def ending(self) -> int:
        """Why it has ended, as a reason, or 0."""
        if self.revoked:
            return TOKEN_REVOKED
        return TOKEN_EXPIRED if 0 < self.expires_s <= time.time() else 0

    @property
    def numbering(self) -> int:
        """How the engine is to count the session's commands."""
        return RISING if self.rising_numbers else STRICT


class Credentials:
    """The credentials of a data folder; read again when the file changes."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME
        self._stamp = NO_FILE
        self._all: list[Credential] = []
        self._by_session: dict[tuple[str, int], Credential] = {}
        self._by_account: dict[tuple[str, int], list[int]] = {}

    def all(self) -> list[Credential]:
        """Return every credential; RM311 if the file is not one of credentials."""
        stamp = stamp_of(self.path)
        if stamp == NO_FILE:
            return []
        if stamp != self._stamp:
            self._all, self._stamp = _checked(_decode(self.path), self.path), stamp
            self._index()
        return self._all

    def last_known(self) -> list[Credential]:
        """Return every credential as of when the file could last be read; RM311 if it never could."""
        try:
            return self.all()
        except RingmainError:
            if self._stamp == NO_FILE:
                raise
            return self._all

    def find(self, market: str, token: bytes) -> Credential | None:
        """Return the market's credential with that token; the time it takes does not tell which."""
        digest, found = _digest(token), None
        for credential in self.all():
            if hmac.compare_digest(credential.token_sha256, digest) and credential.market == market:
                found = credential
        return found

    def current(self, credential: Credential) -> Credential | None:
        """Return what has become of a credential; None if it is gone, or speaks for somebody else."""
        each = self._by_session.get((credential.market, credential.session_id)) if self.all() else None
        if each is None:
            return None
        same = (each.token_sha256, each.account_id, each.role)
        return each if same == (credential.token_sha256, credential.account_id, credential.role) else None

    def sessions_of(self, market: str, account_id: int) -> list[int]:
        """Return the ids of an account's sessions, those included that have ended."""
        return self._by_account.get((market, account_id), []) if self.all() else []

    def _index(self) -> None:
        """Put them by session and by account, so that a session is found without going through all."""
        self._by_session = {(each.market, each.session_id): each for each in self._all}
        self._by_account = {}
        for each in self._all:
            self._by_account.setdefault((each.market, each.account_id), []).append(each.session_id)


def add_token(
    data: Path,
    market: str,
    account_id: int,
    name: str,
    role: Role = "participant",
    cancel_on_disconnect: bool = True,
    rising_numbers: bool = False,
    session_id: int | None = None,
    expires_s: int = 0,
    certificate_sha256: str = "",
) -> str:
    """Make a credential and return its token, which is shown this once and stored nowhere.

    Parameters
    ----------
    data : Path
        The data folder; its credentials.json is written anew, readable by its owner alone.
    session_id : int, optional
        The market's next free one if not given. Sessions of processes that feed the ring
        themselves (a bridge) take their ids from the top.

    Raises
    ------
    RingmainError
        RM311 for a file that cannot be read, RM312 for a credential that cannot be.
    """
    credential = Credential(
        "",
        market,
        session_id or 0,
        account_id,
        name,
        role,
        cancel_on_disconnect,
        rising_numbers,
        expires_s,
        certificate_sha256=certificate_sha256,
    )
    with changing(data / FILE_NAME):
        return _add(data, credential, session_id is None)


def _add(data: Path, credential: Credential, is_next: bool) -> str:
    """Give a credential a token, and the market's next session if it is to have that; return the token."""
    known, session_id = Credentials(data).all(), credential.session_id
    if is_next:
        taken = {each.session_id for each in known if each.market == credential.market}
        session_id = next(number for number in range(1, SESSION_IDS + 1) if number not in taken)
    token = secrets.token_urlsafe(TOKEN_BYTES * 3 // 4)
    added = msgspec.structs.replace(credential, token_sha256=_digest(token.encode()), session_id=session_id)
    write(data, _checked([*known, added], data / FILE_NAME))
    return token


def revoke(data: Path, market: str, name: str) -> int:
    """End every credential of a market that is held under a name, now; return how many there were.

    A session that is logged in with one is logged out. RM354 if there is none.
    """
    with changing(data / FILE_NAME):
        return _revoke(data, market, name)


def _revoke(data: Path, market: str, name: str) -> int:
    known = Credentials(data).all()
    ended = [c for c in known if c.market == market and c.name == name and not c.revoked]
    if not ended:
        what = f"nobody called {name} has a credential of {market}"
        raise RingmainError("RM354", "credentials", what, 'Look them up with "ringmain tokens"')
    write(data, [msgspec.structs.replace(c, revoked=True) if c in ended else c for c in known])
    return len(ended)


@contextlib.contextmanager
def changing(path: Path) -> Iterator[None]:
    """Let nobody else read a file of the folder in order to write it anew, until this has been done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Return what differs when a file was written anew; NO_FILE if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return NO_FILE
    return status.st_mtime_ns, status.st_ino, status.st_size


def write(data: Path, credentials: Iterable[Credential]) -> None:
    """Replace the file as one step."""
    replace_file(data / FILE_NAME, msgspec.json.encode(list(credentials)))


def replace_file(path: Path, text: bytes) -> None:
    """Write a JSON file anew, as one step, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(text, indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _digest(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()


def _decode(path: Path) -> list[Credential]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Credential])
    except msgspec.MsgspecError as error:
        raise RingmainError(
            "RM311", "credentials", f"{path}: {error}", "Correct or remove the file"
        ) from None


def _checked(credentials: list[Credential], path: Path) -> list[Credential]:
    seen: set[tuple[str, int]] = set()
    for credential in credentials:
        fault = _fault(credential)
        if (credential.market, credential.session_id) in seen:
            fault = "another one has its session"
        if fault:
            who = f"{path}: {credential.name} of {credential.market}, session {credential.session_id}"
            raise RingmainError("RM312", "credentials", f"{who}: {fault}", "Correct or remove it")
        seen.add((credential.market, credential.session_id))
    return credentials


def _fault(credential: Credential) -> str:
    if credential.certificate_sha256 and not DIGEST.fullmatch(credential.certificate_sha256):
        return "certificate_sha256 is no SHA-256 in hex"
    if not 0 < credential.session_id < SESSION_IDS:
        return f"sessions run from 1 to {SESSION_IDS - 1}"
    if not 0 <= credential.account_id < 1 << 32:
        return "account_id is outside 32 bits"
    if (credential.account_id == OPERATOR_ACCOUNT) != (credential.role == "operator"):
        return f"account {OPERATOR_ACCOUNT} is the operator's, and the operator's alone"
    return ""
