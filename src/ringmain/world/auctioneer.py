"""The auctioneer's process of a run: ``python -m ringmain.world.auctioneer DATA``.

It is the exchange's own advice for day-ahead auctions, in an operator's session: it reads the tape, solves
what is frozen and proposes the result. The engine believes none of it.
"""

import logging
import signal
import sys
from pathlib import Path
from typing import Any

from ringmain.exchange.advice.dayahead.app import Auctioneer, run
from ringmain.exchange.messages import schema
from ringmain.world import seats

SEARCH_S = 8.0  # at most


def main(arguments: list[str]) -> None:
    """Serve the auctions of the data folder that is given as the only argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    signal.signal(signal.SIGTERM, _leave)
    data = Path(arguments[1])
    with seats.connect(data, schema, "auctioneer") as session:
        run(data, session, Auctioneer(SEARCH_S))


def _leave(*_: Any) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv)
