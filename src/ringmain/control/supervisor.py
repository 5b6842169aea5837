"""A small supervisor: starts processes, watches them, restarts what dies, and stops them in order."""

import ctypes
import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock

LOG = logging.getLogger("ringmain.supervisor")

BACKOFF_FIRST_S = 0.2  # before the first restart; doubled for each further one
BACKOFF_LONGEST_S = 10.0
HEALTHY_S = 30.0  # who lived so long is counted as well again
RESTARTS_IN_A_ROW = 8
STOP_S = 20.0  # from SIGTERM to SIGKILL
SPARE_AFTER_S = 2.0  # who lived so long gets a spare
AT_ONCE = 3  # deaths in a row after which a spare takes over without a pause
_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Child:
    """A process to keep alive.

    Parameters
    ----------
    name : str
        Names its log too.
    command : sequence of str
        The program and its arguments.
    may_end : bool
        Whether an exit with status 0 is its orderly end, and no reason to start it again.
    has_spare : bool
        Whether a second process is kept that takes over at once: with ``--spare`` at its end the command
        loads all that it needs, and then waits for a line on its standard input.
    """

    name: str
    command: Sequence[str]
    may_end: bool = False
    has_spare: bool = False


class Running:
    """A child and the process that runs it now, if one does."""

    def __init__(self, child: Child, log_path: Path) -> None:
        self.child, self.log_path = child, log_path
        self.process: subprocess.Popen[bytes] | None = None
        self.spare: subprocess.Popen[bytes] | None = None
        self.pidfd = -1
        self.started_s = self._spared_s = 0.0
        self.restart_at_s = 0.0
        self.failures = 0  # in a row
        self.restarts = 0  # in all
        self.has_ended = False

    @property
    def pid(self) -> int:
        """The process's id; 0 while none runs."""
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Start the process, or let the spare take over; what it writes goes to the end of its log."""
        self.process = self._take_over() or self._launch(self.child.command, subprocess.DEVNULL)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.started_s = time.monotonic()

    def _take_over(self) -> "subprocess.Popen[bytes] | None":
        """Return the spare, told to begin; None if there is none that lives."""
        spare = self.spare
        if spare is None or spare.stdin is None or not self.has_spare_ready:
            return None
        try:
            spare.stdin.write(b"go\n")
            spare.stdin.close()
        except OSError:
            return None
        self.spare = None
        return spare

    @property
    def has_spare_ready(self) -> bool:
        """Whether a spare waits."""
        return self.spare is not None and self.spare.poll() is None

    def keep_spare(self) -> None:
        """Start a spare if one is wanted and none waits, once the process itself is well on its way."""
        newest_s = max(self.started_s, self._spared_s)
        is_due = self.process is not None and time.monotonic() - newest_s > SPARE_AFTER_S
        if self.child.has_spare and is_due and not self.has_spare_ready:
            self._spared_s = time.monotonic()
            self.drop_spare()
            self.spare = self._launch([*self.child.command, "--spare"], subprocess.PIPE)

    def drop_spare(self) -> None:
        """End the spare, if there is one."""
        if self.spare is not None:
            self.spare.kill()
            self.spare.wait()
            if self.spare.stdin is not None:
                self.spare.stdin.close()
            self.spare = None

    def _launch(self, command: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                list(command), stdin=stdin, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread only
            )  # fmt: skip

    def reap(self) -> int | None:
        """Return the exit status if the process has ended, and forget it."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        os.close(self.pidfd)
        self.process, self.pidfd = None, -1
        return status


class Supervisor:
    """Keeps children alive.

    Parameters
    ----------
    data : Path
        The data folder. It is locked, and holds the logs: ``log/NAME.log``.

    Raises
    ------
    RingmainError
        RM106 if another supervisor has the folder.
    """

    def __init__(self, data: Path) -> None:
        self._lock = FolderLock(data, "run")
        self.log_folder = data / "log"
        self.log_folder.mkdir(exist_ok=True)
        self._running: dict[str, Running] = {}

    @property
    def children(self) -> tuple[Running, ...]:
        """Everyone, in the order of their start."""
        return tuple(self._running.values())

    def start(self, child: Child) -> Running:
        """Start one more child."""
        running = Running(child, self.log_folder / f"{child.name}.log")
        self._running[child.name] = running
        running.start()
        return running

    def watch(self, timeout_s: float) -> None:
        """Sleep until a child dies or the timeout has passed; restart who is to be restarted; keep spares.

        Raises
        ------
        RingmainError
            RM501 when a child has died too often in a row.
        """
        self._watch(timeout_s)
        for running in self.children:
            running.keep_spare()

    def _watch(self, timeout_s: float) -> None:
        due = [running.restart_at_s for running in self.children if self._is_waiting(running)]
        poll = select.poll()
        for running in self.children:
            if running.process is not None:
                poll.register(running.pidfd, select.POLLIN)
        if due:
            timeout_s = min(timeout_s, max(0.0, min(due) - time.monotonic()))
        poll.poll(timeout_s * 1000)
        for running in self.children:
            status = running.reap()
            if status is not None:
                self._note_end(running, status)
            if self._is_waiting(running) and running.restart_at_s <= time.monotonic():
                running.restarts += 1
                running.start()

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Watch until something is so; RM502 if it does not come in time.

        No spares are kept meanwhile: those of a start that compiles would compile the same beside it.
        """
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if time.monotonic() > deadline:
                raise RingmainError("RM502", "run", f"{what} within {timeout_s:g} s is not so",
                                    f"Look into {self.log_folder}")  # fmt: skip
            self._watch(0.05)

    def stop(self) -> None:
        """Stop everyone, the last started first, each before the next; then unlock the folder."""
        for running in reversed(self.children):
            self.stop_one(running.child.name)
        self._lock.release()

    def stop_one(self, name: str) -> None:
        """Ask one child to end, and end it if it does not listen."""
        running = self._running.pop(name)
        running.drop_spare()
        if running.process is None:
            return
        running.process.send_signal(signal.SIGTERM)
        try:
            running.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            LOG.warning("%s does not end; it is killed", name)
            running.process.kill()
            running.process.wait()
        running.reap()

    @staticmethod
    def _is_waiting(running: Running) -> bool:
        return running.process is None and not running.has_ended

    def _note_end(self, running: Running, status: int) -> None:
        child = running.child
        if child.may_end and status == 0:
            running.has_ended = True
            return
        lived_s = time.monotonic() - running.started_s
        running.failures = 1 if lived_s > HEALTHY_S else running.failures + 1
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        if running.failures > RESTARTS_IN_A_ROW:
            what = f"{child.name} ended {running.failures} times in a row, last with {how}"
            raise RingmainError("RM501", "run", what, f"Read {running.log_path}")
        pause_s = min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2 ** (running.failures - 1))
        if running.failures <= AT_ONCE and running.has_spare_ready:
            pause_s = 0.0
        running.restart_at_s = time.monotonic() + pause_s
        LOG.warning("%s ended with %s; it starts again in %.1f s", child.name, how, pause_s)


def _die_with_parent() -> None:
    """Let the kernel send SIGTERM to the child when the supervisor is killed."""
    _libc.prctl(_DIE_WITH_PARENT, int(signal.SIGTERM), 0, 0, 0)
