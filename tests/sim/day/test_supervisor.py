"""The supervisor, with real processes."""

import os
import signal
import sys
import time

import pytest

from ringmain.control import supervisor as module
from ringmain.control.supervisor import Child, Supervisor
from ringmain.core.errors import RingmainError

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
FAILING = "raise SystemExit(3)"


def python(name, code, **options):
    return Child(name, [sys.executable, "-c", code], **options)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path)
    yield made
    made.stop()


def test_who_dies_is_started_again(supervisor):
    running = supervisor.start(python("sleeper", SLEEPER))
    first = running.pid
    os.kill(first, signal.SIGKILL)
    supervisor.wait_until(lambda: running.pid not in (0, first), 10, "a second life")
    assert running.restarts == 1
    supervisor.wait_until(lambda: running.log_path.read_text().count("up") >= 1, 10, "output in the log")


WITH_SPARE = (
    "import sys, time\n"
    "if '--spare' in sys.argv and not sys.stdin.readline(): sys.exit(0)\n"
    "print('up as', 'spare' if '--spare' in sys.argv else 'first', flush=True)\n"
    "time.sleep(60)\n"
)


FAILING_SPARE = (
    "import sys, time\n"
    "print('up as', 'spare' if '--spare' in sys.argv else 'first', flush=True)\n"
    "if '--spare' in sys.argv: sys.exit(3)\n"
    "time.sleep(60)\n"
)


def until(supervisor, is_so, what, timeout_s=10):
    """Watch, with spares kept, until something is so."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, what
        supervisor.watch(0.05)


def test_no_spare_is_kept_while_a_start_is_waited_for(supervisor, monkeypatch):
    monkeypatch.setattr(module, "SPARE_AFTER_S", 0.0)
    running = supervisor.start(python("sleeper", WITH_SPARE, has_spare=True))
    supervisor.wait_until(lambda: "up as first" in running.log_path.read_text(), 10, "its word")
    assert running.spare is None
    until(supervisor, lambda: running.has_spare_ready, "a spare")


def test_a_spare_that_fails_is_not_tried_at_once_again(supervisor, monkeypatch):
    monkeypatch.setattr(module, "SPARE_AFTER_S", 0.0)
    running = supervisor.start(python("odd", FAILING_SPARE, has_spare=True))
    until(supervisor, lambda: running.spare is not None, "a spare")
    monkeypatch.setattr(module, "SPARE_AFTER_S", 60.0)
    until(supervisor, lambda: running.spare.poll() is not None, "its end")
    failed = running.spare
    for _ in range(10):
        supervisor.watch(0.05)
    assert running.spare is failed and failed.returncode == 3
    monkeypatch.setattr(module, "SPARE_AFTER_S", 0.0)
    until(supervisor, lambda: running.spare is not failed, "another one, after a while")


def test_a_spare_takes_over_and_gets_a_spare_itself(supervisor, monkeypatch):
    monkeypatch.setattr(module, "SPARE_AFTER_S", 0.0)
    running = supervisor.start(python("sleeper", WITH_SPARE, has_spare=True))
    for life in (1, 2):
        until(supervisor, lambda: running.has_spare_ready, "a spare")
        until(supervisor, lambda n=life: running.log_path.read_text().count("up") == n, "its life")
        spare = running.spare.pid
        os.kill(running.pid, signal.SIGKILL)
        until(supervisor, lambda pid=spare: running.pid == pid, "the spare's turn")
    until(supervisor, lambda: running.log_path.read_text().count("up as spare") == 2, "two spares")
    until(supervisor, lambda: running.has_spare_ready, "a third")
    last = running.spare.pid
    supervisor.stop_one("sleeper")
    assert is_gone(last)


def test_a_spare_that_died_is_missed_by_nobody(supervisor, monkeypatch):
    monkeypatch.setattr(module, "SPARE_AFTER_S", 0.0)
    running = supervisor.start(python("sleeper", WITH_SPARE, has_spare=True))
    until(supervisor, lambda: running.has_spare_ready, "a spare")
    first = running.pid
    monkeypatch.setattr(module, "SPARE_AFTER_S", 60.0)
    running.spare.kill()
    running.spare.wait()
    os.kill(first, signal.SIGKILL)
    until(supervisor, lambda: running.pid not in (0, first), "a second life")
    until(supervisor, lambda: "up as first" in running.log_path.read_text(), "its word")


def test_an_orderly_end_is_no_death(supervisor):
    running = supervisor.start(python("short", "pass", may_end=True))
    supervisor.wait_until(lambda: running.has_ended, 10, "its end")
    assert running.restarts == 0


def test_who_dies_again_and_again_is_given_up(supervisor, monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.001)
    running = supervisor.start(python("failing", FAILING))
    with pytest.raises(RingmainError, match="RM501 run: failing ended 9 times in a row, last with status 3"):
        supervisor.wait_until(lambda: False, 30, "never")
    assert running.restarts == module.RESTARTS_IN_A_ROW


def test_all_are_stopped_the_last_started_first(tmp_path):
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(order)!r}, 'a').write(sys.argv[1]); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    supervisor = Supervisor(tmp_path)
    started = [supervisor.start(Child(n, [sys.executable, "-c", code, n])) for n in "abc"]
    supervisor.wait_until(lambda: all(r.log_path.read_text() for r in started), 20, "everyone is up")
    pids = [running.pid for running in started]
    supervisor.stop()
    assert order.read_text() == "cba"
    assert all(map(is_gone, pids))


def test_who_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STOP_S", 0.2)
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    supervisor = Supervisor(tmp_path)
    running = supervisor.start(python("deaf", code))
    supervisor.wait_until(lambda: running.log_path.read_text() != "", 20, "it is up")
    pid = running.pid
    supervisor.stop()
    assert is_gone(pid)


def test_two_do_not_share_a_folder(tmp_path):
    first = Supervisor(tmp_path)
    with pytest.raises(RingmainError, match=r"RM106 run: .* is in use by process \d+\. End that process, or"):
        Supervisor(tmp_path)
    first.stop()
    Supervisor(tmp_path).stop()


def test_children_do_not_outlive_a_killed_supervisor(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from ringmain.control.supervisor import Child, Supervisor\n"
        f"s = Supervisor(Path({str(tmp_path)!r}))\n"
        f"print(s.start(Child('sleeper', [sys.executable, '-c', {SLEEPER!r}])).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    outer = Supervisor(tmp_path / "outer")
    running = outer.start(python("inner", code))
    outer.wait_until(lambda: running.log_path.read_text() != "", 20, "it is up")
    pid = int(running.log_path.read_text())
    os.kill(running.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_gone(pid)
    outer.stop()
