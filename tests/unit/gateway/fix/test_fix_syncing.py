"""Entries to the disk: what counts as done, and a disk that refuses."""

import subprocess
import sys
import threading

from ringmain.gateway.fix.store import Store
from ringmain.gateway.fix.syncing import Syncer

WAIT_S = 30

# A pipe cannot be synced: fdatasync itself refuses, as it does for a disk that has failed.
ON_A_PIPE = """
import logging, os, signal, threading
from types import SimpleNamespace
from ringmain.gateway.fix.syncing import Syncer

logging.basicConfig()
told = threading.Event()
signal.signal(signal.SIGTERM, lambda number, frame: told.set())
syncer = Syncer(lambda: print("done"))
syncer.want(SimpleNamespace(descriptors=(os.pipe()[1],)))
assert told.wait(30), "nobody is told to end"
syncer.want(SimpleNamespace(descriptors=(os.open(os.devnull, os.O_RDWR),)))
syncer.stop()
print("ended with", syncer.done, "of", syncer.wanted)
"""


def test_what_is_wanted_is_done_and_told(tmp_path):
    told = threading.Event()
    syncer, store = Syncer(told.set), Store(tmp_path / "1")
    syncer.want(store)
    assert told.wait(WAIT_S)
    assert syncer.done == syncer.wanted == 1
    syncer.stop()
    store.close()


def test_a_disk_that_refuses_ends_the_door_in_order():
    done = subprocess.run(
        [sys.executable, "-c", ON_A_PIPE], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "ended with 0 of 2\n", done.stderr
    assert "CRITICAL" in done.stderr
    assert "does not take what was written down" in done.stderr
