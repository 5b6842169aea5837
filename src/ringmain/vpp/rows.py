"""Events of one record, or of some, out of a batch."""

from collections.abc import Iterator
from typing import Any

import numpy as np


def values_of(row: Any) -> dict[str, int]:
    """Return a row's fields as plain integers."""
    return {name: int(row[name]) for name in row.dtype.names}


def rows_of(events: Any, record: Any) -> Any:
    """Return the events of one record, as that record's dtype."""
    return events.view(record.dtype)[events["kind"] == record.kind]


def rows_of_any(events: Any, *records: Any) -> Iterator[tuple[Any, Any]]:
    """Iterate in order over the events of some records, as (record, row)."""
    views = {record.kind: (record, events.view(record.dtype)) for record in records}
    for i in np.flatnonzero(np.isin(events["kind"], list(views))):
        record, rows = views[int(events["kind"][i])]
        yield record, rows[i]
