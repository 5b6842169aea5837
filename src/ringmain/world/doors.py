"""The gateway's process of a run: ``python -m ringmain.world.doors DATA MARKET=PORT ...``.

It knows the markets' records alone, so that no engine is loaded where none runs.
"""

import logging
import sys
from pathlib import Path

from ringmain.exchange.messages import schema as exchange_schema
from ringmain.gateway.app import run
from ringmain.vpp.messages import SCHEMA as VPP_SCHEMA

SCHEMAS = {schema.name: schema for schema in (exchange_schema, VPP_SCHEMA)}


def main(arguments: list[str]) -> None:
    """Serve each market that is named at its port; 0 is any."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    ports = {name: int(port) for name, _, port in (text.partition("=") for text in arguments[1:])}
    run(Path(arguments[0]), {name: SCHEMAS[name] for name in ports}, ports=ports)


if __name__ == "__main__":
    main(sys.argv[1:])
