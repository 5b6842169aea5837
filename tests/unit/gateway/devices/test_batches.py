"""Readings by the thousand against readings one by one; leases; rates."""

from collections import Counter

import numpy as np
import pytest
from recording import RecordingPort

from ringmain.gateway.devices import assets as assets_module
from ringmain.gateway.devices import frames
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.batches import turns
from ringmain.gateway.devices.leases import Leases, setpoint_of
from ringmain.gateway.devices.pace import Rates
from ringmain.gateway.devices.readings import READING, Bounds, Reading

SECOND_NS = 1_000_000_000
NOW_NS = 1_700_000_000 * SECOND_NS
BOUNDS = [Bounds(11_000, 0, 60_000), Bounds(5_000, 5_000, 10_000), Bounds(0, 8_000, 0)]
COUNT = 30


class Still(RecordingPort):
    def now_ns(self) -> int:
        return NOW_NS


def made(folder) -> Assets:
    assets = Assets(Still(), folder / "meters")
    assets.add({n: BOUNDS[n % 3] for n in range(1, COUNT + 1)}, "test")
    return assets


def some(seed: int, count: int, begin_ns: int):
    """Readings of which many are wrong, in every way that there is."""
    dice = np.random.default_rng(seed)
    rows = np.empty(count, READING)
    rows["asset_id"] = dice.integers(1, COUNT + 1, count)
    rows["measured_ns"] = begin_ns + dice.integers(0, 90 * SECOND_NS, count)
    rows["measured_ns"] += dice.choice([0, 90_000, -100_000], count, p=[0.94, 0.03, 0.03]) * SECOND_NS
    scale = dice.choice([1.0, 0.001, 2_000.0], count, p=[0.5, 0.45, 0.05])
    rows["power_w"] = dice.uniform(-5_000, 5_000, count) * scale
    step = (rows["measured_ns"] - (NOW_NS - 80_000 * SECOND_NS)) / SECOND_NS
    for name in ("charged_wh", "discharged_wh"):
        rows[name] = step * dice.choice([0.8, 1.0, 50.0, -1.0], count, p=[0.45, 0.45, 0.08, 0.02])
    rows["energy_wh"] = dice.uniform(-100, 12_000, count)
    for name in ("power_w", "charged_wh", "discharged_wh", "energy_wh"):
        rows[name][dice.random(count) < 0.3] = np.nan
        rows[name][dice.random(count) < 0.01] = np.inf
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_many_at_once_are_as_one_by_one(tmp_path, monkeypatch, seed):
    print(f"seed {seed}")
    monkeypatch.setattr(assets_module, "FEW", 1)  # every turn is dealt with as arrays
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    one, many = made(tmp_path / "one"), made(tmp_path / "many")
    seen: Counter[str] = Counter()
    for n in range(40):
        rows = some(100 * seed + n, 50, NOW_NS - (80_000 - 60 * n) * SECOND_NS)
        reasons = many.take_many(rows, np.zeros(50, np.uint16))
        for row, reason in zip(rows, reasons.tolist(), strict=True):
            said = [None if np.isnan(value) else float(value) for value in row.tolist()[2:]]
            expected = one.take(int(row["asset_id"]), Reading(int(row["measured_ns"]), *said))
            assert frames.REASONS[reason] == expected, row
            seen[expected] += 1
    assert set(seen) >= set(frames.REASONS), "each reason was there"
    key = lambda each: (each.asset_id, each.device_number)  # noqa: E731
    assert sorted(one.port.reports, key=key) == sorted(many.port.reports, key=key)
    assert +one.counts == +many.counts
    assert one._meters.rows.tobytes() == many._meters.rows.tobytes() or np.allclose(
        one._meters.rows.view("f8"), many._meters.rows.view("f8"), equal_nan=True
    )


def test_turns_have_no_asset_twice():
    ids = np.array([5, 3, 5, 5, 1, 3])
    assert [sorted(ids[turn].tolist()) for turn in turns(ids)] == [[1, 3, 5], [3, 5], [5]]
    assert [place for turn in turns(ids) for place in turn.tolist() if ids[place] == 5] == [0, 2, 3]


def test_telemetry_survives_its_record():
    rows = some(1, 200, NOW_NS)
    rows = rows[np.isfinite(rows["power_w"]) & ~np.isinf(rows["energy_wh"])]
    read, reasons = frames.readings_of(frames.telemetry_of(rows))
    is_fit = reasons == 0
    for name in READING.names:
        np.testing.assert_allclose(read[name][is_fit], rows[name][is_fit], rtol=1e-6)
    assert all(each.itemsize == frames.RECORD_BYTES for each in (
        frames.RECORD, frames.TELEMETRY_RECORD, frames.SETPOINT_RECORD, frames.ACK_RECORD,
        frames.REFUSAL_RECORD, frames.WELCOME_RECORD,
    ))  # fmt: skip


def test_leases_keep_the_newest_and_try_until_they_end():
    leases, is_connected = Leases(8), np.ones(8, bool)
    batch = np.concatenate([
        setpoint_of(1, 100, NOW_NS + 60 * SECOND_NS, 7), setpoint_of(1, 50, NOW_NS + 90 * SECOND_NS, 6),
        setpoint_of(2, 200, NOW_NS - 1, 7), setpoint_of(3, 300, NOW_NS + 60 * SECOND_NS, 7),
    ])  # fmt: skip
    due, late = leases.want(batch, NOW_NS)
    assert due.tolist() == [1, 3] and late == 1
    assert leases.rows["power_w"][1] == 100
    leases.sent(due, at_s=0.0)
    assert leases.answer(np.array([1, 3, 3]), np.array([6, 7, 7]), np.array([0, 0, 1])) == (0, 1)
    assert leases.due(is_connected, NOW_NS, 0.9)[0].size == 0
    assert leases.due(is_connected, NOW_NS, 2.0)[0].tolist() == [1]
    assert leases.due(~is_connected, NOW_NS, 2.0)[0].size == 0
    leases.sent(np.array([1]), at_s=2.0)
    assert leases.due(is_connected, NOW_NS, 3.9)[0].size == 0, "it waits longer each time"
    assert leases.answer(np.array([1]), np.array([7]), np.array([0])) == (1, 0)
    assert leases.answer(np.array([1]), np.array([7]), np.array([0])) == (0, 0), "once"
    leases.want(setpoint_of(4, 1, NOW_NS + SECOND_NS, 8), NOW_NS)
    assert leases.due(is_connected, NOW_NS + 2 * SECOND_NS, 9.0)[1] == 1
    assert leases.holding(np.arange(8), NOW_NS).tolist() == [1, 3, 4]


def test_rates_hold_back_who_is_too_fast_alone():
    rates = Rates(4)
    for slot in (1, 2):
        rates.begin(slot, per_s=10.0, burst=5)
    assert rates.take(np.array([1, 1, 2]), 100.0) == []
    assert rates.take(np.array([1] * 8 + [2]), 100.0) == [(1, pytest.approx(0.5))]
    assert rates.take(np.array([1]), 101.0) == []
