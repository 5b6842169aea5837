"""Entries to the disk: in a thread, many at a time, while the node syncs the commands themselves."""

import logging
import os
import signal
import threading
from collections.abc import Callable

from ringmain.gateway.fix.store import Store

LOG = logging.getLogger("ringmain.fix")


class Syncer:
    """Calls ``fdatasync`` for stores that have new entries.

    What the disk has refused once is not asked for again: the kernel may take a second call for a
    success. The process is told to end in order then, and nothing more counts as done; it is
    whoever watches over it that starts it again, from what the files hold.

    Parameters
    ----------
    on_done : callable
        Called in the thread whenever :attr:`done` has risen.

    Attributes
    ----------
    wanted, done : int
        Counts of calls to :meth:`want`: what was wanted by then, and what is on the disk.
    """

    def __init__(self, on_done: Callable[[], None]) -> None:
        self.wanted = self.done = 0
        self._on_done = on_done
        self._dirty: set[int] = set()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="fix-sync", daemon=True)
        self._thread.start()

    def want(self, store: Store) -> None:
        """Have a store's entries put on the disk."""
        with self._lock:
            self._dirty.update(store.descriptors)
            self.wanted += 1
        self._news.set()

    def stop(self) -> None:
        """Sync what is wanted, and end."""
        self._is_stopping = True
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping or self._dirty:
            self._news.wait()
            self._news.clear()
            with self._lock:
                dirty, self._dirty, wanted = self._dirty, set(), self.wanted
            try:
                for descriptor in dirty:
                    os.fdatasync(descriptor)
            except OSError as error:
                LOG.critical("fix: the disk does not take what was written down: %s; the door ends", error)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            if wanted != self.done:
                self.done = wanted
                self._on_done()
