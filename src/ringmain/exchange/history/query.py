"""SQL over the history: a DuckDB connection with a view for each table, and those that are made of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ringmain.core.errors import RingmainError
from ringmain.exchange.history.columns import NO_ROWS, TABLES, Columns
from ringmain.exchange.history.movements import MOVEMENTS
from ringmain.exchange.history.store import Manifest, Store, parquet_files, said_by
from ringmain.exchange.messages import schema

MEMORY = "2GB"  # beyond that, DuckDB goes to a temporary folder
# An extension is not fetched or loaded by a query, and once locked, none of this can be taken back.
SETTINGS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
# PIVOT is a MULTI; EXPLAIN is not here, as EXPLAIN ANALYZE runs what it explains.
READS = (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI)
SQL_TYPES = {
    f"{sign}int{8 * size}": f"{sign.upper()}{name}"
    for size, name in ((1, "TINYINT"), (2, "SMALLINT"), (4, "INTEGER"), (8, "BIGINT"))
    for sign in ("", "u")
}
VIEWS = {
    "products": """
        SELECT d.product_id, d.product_kind, d.delivery_start_ns, d.delivery_start_at, d.value_minor,
            CASE d.product_kind WHEN 'HOURLY' THEN 60 WHEN 'QUARTER_HOURLY' THEN 15 END AS delivery_minutes,
            d.reference_price_ticks, d.market_range_ticks, s.auction_at, s.gate_closure_at,
            d.time_at AS defined_at
        FROM product_defined d LEFT JOIN (
            SELECT product_id, last(auction_at ORDER BY position) AS auction_at,
                last(gate_closure_at ORDER BY position) AS gate_closure_at
            FROM product_scheduled GROUP BY product_id
        ) s USING (product_id)""",
    "orders": """
        SELECT a.session_id, a.session_number, a.account_id, a.product_id,
            a.side, a.order_type, a.time_in_force, a.position, a.sequence, a.time_ns,
            a.time_at, a.price_ticks, a.price_eur_mwh,
            a.quantity_lots, a.quantity_mw,
            coalesce(f.filled_lots, 0) AS filled_lots, coalesce(f.filled_lots, 0) / 10.0 AS filled_mw,
            coalesce(r.replace_count, 0) AS replace_count, c.reason AS cancel_reason,
            c.quantity_lots AS cancelled_lots, c.time_ns AS cancelled_ns, c.time_at AS cancelled_at
        FROM order_accepted a
        LEFT JOIN (SELECT session_id, session_number, sum(quantity_lots)::BIGINT AS filled_lots
            FROM order_filled GROUP BY ALL) f USING (session_id, session_number)
        LEFT JOIN (SELECT session_id, session_number, count(*) AS replace_count
            FROM order_replaced GROUP BY ALL) r USING (session_id, session_number)
        LEFT JOIN order_cancelled c USING (session_id, session_number)""",
    "phases": "SELECT * FROM phase_changed",
    "auctions": "SELECT * FROM auction_uncrossed",
    "auction_zones": """
        SELECT auction_id, zone, last(first_product_id ORDER BY position) AS first_product_id
        FROM zone_defined GROUP BY auction_id, zone""",
    "auction_awards": """
        SELECT c.position, c.sequence, c.time_ns, c.time_at, c.auction_id, NULL::UINTEGER AS block_id,
            (z.first_product_id + c.period)::UINTEGER AS product_id, c.account_id,
            c.bought_lots::BIGINT - c.sold_lots AS lots
        FROM curve_awarded c JOIN auction_zones z USING (auction_id, zone)
        UNION ALL
        SELECT w.position, w.sequence, w.time_ns, w.time_at, w.auction_id, w.block_id,
            (z.first_product_id + unnest(range(r.first_period, r.first_period + r.run_periods)))::UINTEGER,
            w.account_id,
            (r.quantity_lots::BIGINT * w.ratio_billionths + 500000000) // 1000000000
                * if(b.side = 'BUY', 1, -1)
        FROM block_awarded w JOIN block_accepted b USING (block_id)
            JOIN block_run_accepted r USING (block_id)
            JOIN auction_zones z ON z.auction_id = w.auction_id AND z.zone = b.zone""",
    "movements": " UNION ALL ".join(movement.sql for movement in MOVEMENTS),
    "cash": """
        SELECT account_id, sum(amount_minor)::BIGINT AS balance_minor, sum(amount_minor) / 1e6 AS balance_eur
        FROM movements GROUP BY account_id""",
    "position_changes": """
        SELECT position, sequence, time_ns, time_at, 'TRADE' AS kind, product_id,
            buyer_account_id AS account_id, quantity_lots::BIGINT AS lots FROM trades
        UNION ALL SELECT position, sequence, time_ns, time_at, 'TRADE', product_id,
            seller_account_id, -quantity_lots::BIGINT FROM trades
        UNION ALL SELECT position, sequence, time_ns, time_at, 'DELIVERY', product_id,
            account_id, -position_lots FROM position_delivered
        UNION ALL SELECT position, sequence, time_ns, time_at, 'AUCTION', product_id, account_id, lots
            FROM auction_awards
        UNION ALL SELECT position, sequence, time_ns, time_at, 'AUCTION', product_id, 0::UINTEGER, -lots
            FROM auction_awards""",
    "positions": """
        SELECT product_id, account_id, sum(lots)::BIGINT AS position_lots, sum(lots) / 10.0 AS position_mw
        FROM position_changes GROUP BY ALL HAVING sum(lots) <> 0""",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """The rows of a query, under the names of its columns."""

    names: list[str]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Return each row as a dict."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class History:
    """A history that is read; an export may go on meanwhile.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    RingmainError
        RM645 if there is no history; RM640, RM641 as :meth:`Store.manifest`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._store = folder, Store(folder)
        if not (folder / "manifest.json").exists():
            raise RingmainError(
                "RM645", "history", f"{folder} holds no history", 'Make it with "ringmain exchange history"'
            )
        self.connection = duckdb.connect(config={"memory_limit": MEMORY})
        self._shut()
        self.manifest: Manifest
        self._look()

    def ask(self, sql: str, parameters: list[Any] | None = None) -> Answer:
        """Run a query and return all of its rows.

        Raises
        ------
        RingmainError
            RM646 with DuckDB's words if it is no good query, RM658 if it would do anything but read the
            history.
        """
        try:
            return self._fetch(sql, parameters)
        except duckdb.IOException:  # an export has put files together since: look again
            self._look()
            try:
                return self._fetch(sql, parameters)
            except duckdb.IOException as error:
                raise _no_query(said_by(error)) from None

    def close(self) -> None:
        """Let go of the connection."""
        self.connection.close()

    def _fetch(self, sql: str, parameters: list[Any] | None) -> Answer:
        if not sql.strip(" ;\n\t"):
            raise _no_query("nothing is asked")
        try:
            _check_reads(sql)
            relation = self.connection.execute(sql, parameters)
            names = [column[0] for column in relation.description or ()]
            return Answer(names, relation.fetchall() if names else [])
        except duckdb.IOException:
            raise
        except duckdb.PermissionException as error:
            raise _no_reading(said_by(error)) from None
        except duckdb.Error as error:
            raise _no_query(said_by(error)) from None

    def _shut(self) -> None:
        """Let DuckDB open no file but the history's. It could still write these: :meth:`ask` only reads."""
        folder = str(self.folder.absolute()).replace("'", "''")
        self.connection.execute(f"SET allowed_directories = ['{folder}']")
        for setting in SETTINGS:
            self.connection.execute(setting)

    def _look(self) -> None:
        """Make the views over the files that count now; once more if one has gone meanwhile."""
        for is_last in (False, True):
            self.manifest = self._store.manifest(schema.digest())
            try:
                self._show()
                return
            except duckdb.Error as error:
                if is_last:
                    raise self._unreadable(error) from None

    def _unreadable(self, error: duckdb.Error) -> RingmainError:
        return RingmainError(
            "RM640", "history", f"{self.folder} cannot be read: {said_by(error)}",
            "Remove the folder and export anew",
        )  # fmt: skip

    def _show(self) -> None:
        for table in TABLES.values():
            paths = [self.folder / p.path for p in self.manifest.parts if p.table == table.name]
            source = f"SELECT * FROM {parquet_files(paths)}"
            if not paths:
                source = f"SELECT {table.select} FROM ({_nothing(NO_ROWS[table.name])})"
            self.connection.execute(f"CREATE OR REPLACE VIEW {table.name} AS {source}")
        for name, sql in VIEWS.items():
            self.connection.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")


def _nothing(columns: Columns) -> str:
    """Return the SQL of no rows that have these columns."""
    typed = ", ".join(f"NULL::{SQL_TYPES[str(values.dtype)]} AS {name}" for name, values in columns.items())
    return f"SELECT {typed} WHERE false"


def _check_reads(sql: str) -> None:
    """Refuse what does more than read, RM658: by the statements' types, and COPY in a WITH by its name."""
    for statement in duckdb.extract_statements(sql):
        if statement.type not in READS:
            raise _no_reading(f"{statement.type.name} does more than read")
    if re.search(r"\bcopy\b", sql, re.IGNORECASE):
        raise _no_reading("COPY does more than read")


def _no_reading(said: str) -> RingmainError:
    return RingmainError("RM658", "history", said, "Ask with SELECT, of the history's tables alone")


def _no_query(said: str) -> RingmainError:
    return RingmainError("RM646", "history", said, 'See "ringmain exchange history tables" for names')
