"""Rows on the terminal: as a table, as JSON or as CSV."""

import csv
import json
import math
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_UNBOUND = 10_000  # of what is no terminal: nothing is cut


def show(options: Namespace, title: str, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as the options ask for."""
    if options.json:
        say(json.dumps([plain(dict(row)) for row in rows], indent=2))
    elif getattr(options, "csv", False):
        writer = csv.writer(sys.stdout, lineterminator="\n")
        if names:  # else not even the columns are known
            writer.writerow(names)
        writer.writerows([cell(row.get(name)) for name in names] for row in rows)
    else:
        table(title, names, rows)


def say(line: str, to: TextIO | None = None) -> None:
    """Print a line, to the standard output unless told."""
    print(line, file=to or sys.stdout)


def table(title: str, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a table; numbers stand to the right. What looks like Rich's markup is printed as it is."""
    rows = list(rows)
    drawn = Table(title=Text(title), title_justify="left")
    for name in names:
        is_number = any(isinstance(row.get(name), int | float | Decimal) for row in rows)
        drawn.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell(row.get(name))) for name in names))
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH_UNBOUND)
    console.print(drawn)


def cell(value: Any) -> str:
    """Return a value as a cell's text; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, float):
        return f"{value:.10g}"
    return json.dumps(plain(value)) if isinstance(value, list | dict) else str(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
