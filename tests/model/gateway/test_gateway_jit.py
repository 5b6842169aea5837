"""The gateway's kernels give the same bytes compiled and plain."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def digest() -> str:
    """Fold a random tape into the book, and turn what it tells into SBE and back."""
    from test_book_twin import FEEDS, IDS, tape

    from ringmain.exchange import messages as m
    from ringmain.gateway.book import Book
    from ringmain.gateway.sbe import Layout, Transcoder

    events, book, found = tape(5, 250), Book(m.schema), hashlib.sha256()
    server = Transcoder(Layout(m.schema))
    followed = {(feed, product) for feed in FEEDS for product in IDS}
    for begin in range(0, events.size, 64):
        batch = events[begin : begin + 64]
        found.update(server.encode(batch.tobytes()))
        for subject, data in sorted(book.fold(batch, followed).items()):
            found.update(repr(subject).encode() + data + server.encode(data))
    for subject in sorted(followed):
        found.update(book.snapshot(subject))
    return found.hexdigest()


def run(**environment: str) -> str:
    command = [sys.executable, "-c", "from test_gateway_jit import digest; print(digest())"]
    path = os.pathsep.join([str(HERE), str(HERE.parent / "exchange"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path} | environment, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compiled_and_plain_kernels_tell_the_same() -> None:
    assert run(NUMBA_DISABLE_JIT="1") == run(NUMBA_DISABLE_JIT="0") != ""
