"""Who takes part in a day: accounts, credentials and their tokens, kept for the folder's next day."""

import os
from pathlib import Path

import msgspec

from ringmain.client import Client
from ringmain.core.records import Schema
from ringmain.gateway.app import read_ports
from ringmain.gateway.credentials import Role, add_token
from ringmain.world.participants import PARTICIPANTS, SYSTEM_OPERATOR

TOKENS_FILE = "world/tokens.json"
FIRST_TRADER_ACCOUNT = 1
FLEET_ACCOUNT = 100  # on the exchange
GUEST_ACCOUNT = 90  # likewise: nobody's of the world; for whoever connects a program of his own
LINK_ACCOUNT = 1  # on the fleet's node: the batteries' device link
HOMES_ACCOUNT = 2  # ... and that of what the homes have beside
HEARTBEAT_MS = 60_000
RECONNECT_S = 60.0
TRADER_ACCOUNTS = {one.name: FIRST_TRADER_ACCOUNT + n for n, one in enumerate(PARTICIPANTS)}
SYSTEM_OPERATOR_ACCOUNT = TRADER_ACCOUNTS[SYSTEM_OPERATOR]


def prepare(data: Path) -> None:
    """Make every credential that the world needs, once for a folder."""
    path = data / TOKENS_FILE
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    tokens = {
        "exchange operator": _token(data, "exchange", 0, "operator", "operator"),
        "exchange auctioneer": _token(data, "exchange", 0, "auctioneer", "operator"),
        "exchange fleet": add_token(data, "exchange", FLEET_ACCOUNT, "fleet", cancel_on_disconnect=False),
        "vpp desk": _token(data, "vpp", 0, "desk", "operator"),
        "vpp bridge": add_token(data, "vpp", 0, "bridge", "operator", False, rising_numbers=True),
        "vpp link": _token(data, "vpp", LINK_ACCOUNT, "link"),
        "vpp homes": _token(data, "vpp", HOMES_ACCOUNT, "homes"),
    }
    for name, account_id in TRADER_ACCOUNTS.items():
        tokens[f"exchange {name}"] = _token(data, "exchange", account_id, name)
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(tokens))
    temporary.replace(path)


def connect(data: Path, schema: Schema, name: str) -> Client:
    """Log a participant in, over the gateway."""
    tokens = msgspec.json.decode((data / TOKENS_FILE).read_bytes(), type=dict[str, str])
    port = read_ports(data)[schema.name]
    token = tokens[f"{schema.name} {name}"]
    return Client.connect("127.0.0.1", port, token, schema, HEARTBEAT_MS, RECONNECT_S)


def _token(data: Path, market: str, account_id: int, name: str, role: Role = "participant") -> str:
    return add_token(data, market, account_id, name, role)
