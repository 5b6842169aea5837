"""History: the exchange's tape to Parquet, events a second, beside a loop over events in plain Python.

The tape is the order book's mix on the whole engine, one book. Both sides read it from the start and
write every field of every event, a table for each kind. The peer unpacks each event as the journal's
export does, writes CSV and has DuckDB make the Parquet of it. The peer has no quotes and no trades
table, and it is not incremental; it does less.
"""

import csv
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from bench import order_book
from bench.figures import Row, row
from ringmain.core.engine import Machine
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeReader, TapeWriter
from ringmain.exchange.engine import MARKET
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History
from ringmain.exchange.messages import schema

COMMANDS, PEER_EVENTS = 5_000_000, 200_000
RUNS = 3
PEER = "a loop over events, csv"
BATCH = 16_384


def run(scale: float = 1.0) -> list[Row]:
    """Measure on the events of ``scale`` times 5 M commands."""
    folder = Path(tempfile.mkdtemp(prefix="ringmain-bench-"))
    try:
        events = write_tape(folder / "exchange", max(BATCH, round(COMMANDS * scale)))
        ours, peers, asked = [], [], []
        for n in range(RUNS):
            ours.append(_export_rate(folder, n))
            peers.append(_peer_rate(folder / "exchange", folder / f"peer-{n}"))
            asked.append(_candles_seconds(folder / f"history-{n}"))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = sum(file.stat().st_size for file in (folder / "history-0").rglob("*.parquet"))
    finally:
        shutil.rmtree(folder)
    name = f"{events / 1e6:.3g} M events"
    return [
        row(f"history, export, {name}", ours, "M/s", PEER, peers),
        row("history, a minute's candles of all trades", asked, "s"),
        row("history, bytes an event in Parquet", [size / events], "B"),
        row("history, most memory of the process, bench included", [peak_mb], "MB"),
    ]


def write_tape(folder: Path, count: int) -> int:
    """Fill a tape with what the engine makes of the stream; return how many events there are."""
    commands, _ = order_book.stream(*order_book.BOOKS["one book"], count)
    opening = order_book.opening(1)
    machine = Machine(MARKET)
    folder.mkdir()
    tape = TapeWriter(folder / "tape", NodePage(folder / "page", create=True), schema.record_bytes)
    machine.step(_stamped(opening, 1), tape.append)
    headers = commands.view(schema.header)
    for at in range(0, headers.size, BATCH):
        machine.step(_stamped(headers[at : at + BATCH], opening.size + at + 1), tape.append)
    tape.publish(tape.position)
    tape.close()
    return tape.position


def _stamped(commands: Any, sequence: int) -> Any:
    """Give commands their place, and a time: a hundred thousand a second from 2026-01-01 on."""
    commands["sequence"] = np.arange(sequence, sequence + commands.size)
    commands["time_ns"] = 1_767_225_600 * 10**9 + commands["sequence"] * 10_000
    return commands


def _export_rate(folder: Path, number: int) -> float:
    began = time.perf_counter()
    done = export(folder / "exchange", folder / f"history-{number}")
    return done.events / (time.perf_counter() - began) / 1e6


def _peer_rate(market_folder: Path, target: Path) -> float:
    target.mkdir()
    began = time.perf_counter()
    tape, files, writers = TapeReader(market_folder, schema), {}, {}
    while tape.position < PEER_EVENTS and (rows := tape.read()).size:
        for event in rows:
            values = schema.unpack_event(event)
            name = values["record"]
            if name not in writers:
                files[name] = (target / f"{name}.csv").open("w", encoding="utf-8")
                writers[name] = csv.DictWriter(files[name], list(values))
                writers[name].writeheader()
            writers[name].writerow(values)
    for name, file in files.items():
        file.close()
        rows = duckdb.read_csv(str(target / f"{name}.csv"))
        rows.write_parquet(str(target / f"{name}.parquet"))
    tape.close()
    return tape.position / (time.perf_counter() - began) / 1e6


def _candles_seconds(folder: Path) -> float:
    history = History(folder)
    began = time.perf_counter()
    history.ask("""SELECT time_ns // 60000000000 AS minute, max(price_ticks), min(price_ticks),
        sum(price_ticks::BIGINT * quantity_lots) / sum(quantity_lots) FROM trades GROUP BY ALL""")
    seconds = time.perf_counter() - began
    history.close()
    return seconds
