import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets.tally import SCHEMA, Add
from ringmain.core.errors import RingmainError
from ringmain.core.records import Field, Schema
from ringmain.core.ring import ACCEPTING, Ring

SLOTS = 64


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring.create(tmp_path / "ring", SLOTS, lanes=3)


def numbered(first: int, count: int) -> Any:
    return SCHEMA.batch([Add(1, first + n, amount=first + n, echoes=0) for n in range(count)])


def in_child(act: Callable[[], None]) -> None:
    """Run `act` in a process of its own that ends with SIGKILL."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_order_is_kept_round_the_ring(ring: Ring) -> None:
    consumer, producer, out = ring.consumer(), ring.producer(), SCHEMA.empty(SLOTS)
    seen: list[int] = []
    for first in range(0, 1000, 50):
        assert producer.offer(numbered(first, 50)) == 50
        while not consumer.is_empty():
            seen += out["session_number"][: consumer.drain(out)].tolist()
    assert seen == list(range(1000))


def test_a_full_lane_takes_a_part_and_goes_on_later(ring: Ring) -> None:
    consumer, producer, out = ring.consumer(), ring.producer(), SCHEMA.empty(SLOTS)
    assert producer.offer(numbered(0, 100)) == SLOTS
    assert producer.offer(numbered(0, 1)) == 0
    taken = consumer.drain(out)
    assert 0 < taken <= SLOTS
    assert producer.offer(numbered(100, SLOTS)) == taken


def test_every_producer_gets_its_share(ring: Ring) -> None:
    consumer, out = ring.consumer(), SCHEMA.empty(30)
    flood, quiet = ring.producer(), ring.producer()
    flood.offer(numbered(0, SLOTS))
    quiet.offer(numbered(1000, 5))
    assert 1000 in out["session_number"][: consumer.drain(out)]


def test_lanes_run_out_with_a_clear_error_and_come_back(ring: Ring) -> None:
    producers = [ring.producer() for _ in range(3)]
    with pytest.raises(RingmainError, match="RM112"):
        ring.producer()
    producers[1].close()
    ring.producer()


def test_what_is_no_ring_is_named(tmp_path: Path) -> None:
    (tmp_path / "ring").write_bytes(bytes(4096))
    with pytest.raises(RingmainError, match="RM111"):
        Ring.open(tmp_path / "ring")
    with pytest.raises(RingmainError, match="RM101"):
        Ring.open(tmp_path / "nothing")


def die_before_claim(ring: Ring) -> None:
    Ring.open(ring.words.path)


def die_after_claiming_a_lane(ring: Ring) -> None:
    Ring.open(ring.words.path).producer()


def die_half_through_a_slot(ring: Ring) -> None:
    producer = Ring.open(ring.words.path).producer()
    producer.offer(numbered(500, 2))
    slots = producer._array[-3 * SLOTS * 8 :]
    slots[producer._lane * SLOTS * 8 + 2 * 8 : producer._lane * SLOTS * 8 + 2 * 8 + 5] = -1


def die_before_the_tail_moves(ring: Ring) -> None:
    die_half_through_a_slot(ring)
    slots = Ring.open(ring.words.path).array[-3 * SLOTS * 8 :]
    slots[2 * 8 : 3 * 8] = numbered(502, 1).view(np.int64)


def die_after_publishing(ring: Ring) -> None:
    Ring.open(ring.words.path).producer().offer(numbered(500, 3))


@pytest.mark.parametrize(
    ("die", "published"),
    [
        (die_before_claim, 0),
        (die_after_claiming_a_lane, 0),
        (die_half_through_a_slot, 2),
        (die_before_the_tail_moves, 2),
        (die_after_publishing, 3),
    ],
)
def test_a_producer_killed_at_any_point_loses_only_what_it_had_not_published(
    ring: Ring, die: Callable[[Ring], None], published: int
) -> None:
    consumer, out = ring.consumer(), SCHEMA.empty(SLOTS)
    in_child(lambda: die(ring))
    heirs = [ring.producer() for _ in range(3)]  # every lane can be claimed again
    for place, heir in enumerate(heirs):
        assert heir.offer(numbered(600 + 10 * place, 4)) == 4
    seen: list[int] = []
    while not consumer.is_empty():
        seen += out["session_number"][: consumer.drain(out)].tolist()
    expected = [500 + n for n in range(published)] + [600 + 10 * p + n for p in range(3) for n in range(4)]
    assert sorted(seen) == sorted(expected)


def test_two_processes_pass_every_record_once_in_order(tmp_path: Path) -> None:
    ring = Ring.create(tmp_path / "ring", 1024, lanes=4)
    consumer, out, count = ring.consumer(), SCHEMA.empty(500), 20_000
    pids = []
    for producer_number in range(3):
        pid = os.fork()
        if pid == 0:
            own, sent = Ring.open(tmp_path / "ring").producer(), 0
            batch = numbered(0, 100)
            batch["session_id"] = producer_number
            while sent < count:
                batch["session_number"] = np.arange(sent, sent + 100)
                done = 0
                while done < 100:
                    done += own.offer(batch[done:])
                sent += 100
            os._exit(0)
        pids.append(pid)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    while sum(map(len, seen.values())) < 3 * count:
        consumer.wait(1.0)
        rows = out[: consumer.drain(out)]
        for number in seen:
            seen[number] += rows["session_number"][rows["session_id"] == number].tolist()
    assert all(numbers == list(range(count)) for numbers in seen.values())
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]


def test_a_parked_consumer_wakes_for_a_record_and_for_a_nudge(ring: Ring) -> None:
    consumer, producer = ring.consumer(), ring.producer()
    for act in (lambda: producer.offer(numbered(0, 1)), ring.nudge):
        timer = threading.Timer(0.05, act)
        timer.start()
        began = time.monotonic()
        consumer.wait(20.0)
        assert time.monotonic() - began < 10.0
        timer.join()
        consumer.drain(SCHEMA.empty(4))


def test_news_after_announcing_sleep_keeps_the_consumer_awake(ring: Ring) -> None:
    began = time.monotonic()
    assert not ring.consumer().wait(20.0, lambda: True)
    assert time.monotonic() - began < 10.0


def test_a_refusal_reaches_the_producers(ring: Ring) -> None:
    consumer, producer = ring.consumer(), ring.producer()
    consumer.refuse(0xFF06)
    assert producer.refusal == 0xFF06 and producer.offer(numbered(0, 1)) == 0
    consumer.refuse(ACCEPTING)
    assert producer.offer(numbered(0, 1)) == 1


def test_a_new_consumer_drops_what_the_old_one_had_not_taken(ring: Ring) -> None:
    ring.consumer()
    producer = ring.producer()
    producer.offer(numbered(0, 5))
    consumer = ring.consumer()
    assert consumer.is_empty() and not producer.is_current and producer.offer(numbered(0, 1)) == 0
    assert ring.producer().offer(numbered(7, 1)) == 1


def test_a_ring_of_another_shape_is_made_anew(tmp_path: Path) -> None:
    old = Ring.create(tmp_path / "ring", 64, lanes=2)
    old.consumer()
    producer = old.producer()
    Ring.create(tmp_path / "ring", 128, lanes=2).consumer()
    assert not producer.is_current


def test_records_of_two_slots(tmp_path: Path) -> None:
    schema = Schema("long", 1, slots=2)
    note = schema.command(1, "Note", "A note.", [Field("text", "S80", "text")])
    ring = Ring.create(tmp_path / "ring", 64, lanes=1, record_slots=2)
    consumer, producer, out = ring.consumer(), ring.producer(), schema.empty(64)
    for _ in range(5):
        batch = schema.batch([note(text=bytes([65 + n]) * 80) for n in range(20)])
        assert producer.offer(batch) == 20
        assert consumer.drain(out) == 20
        assert out[:20].tobytes() == batch.tobytes()
    assert producer.offer(schema.batch([note(text=b"x")] * 40)) == 32
