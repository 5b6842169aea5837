"""Which sessions the FIX door has open at the market: for other doors, which leave those alone."""

from pathlib import Path

import numpy as np

from ringmain.core.shared import WORD_BYTES, is_alive
from ringmain.gateway.fix.store import HOLDER_WORD, session_folder


def is_held(market_folder: Path, session_id: int) -> bool:
    """Tell whether a FIX door that lives has the session open.

    A gateway that starts, or whose node has restarted, closes what nobody has: it asks here first.
    """
    path = session_folder(market_folder, session_id) / "commands.map"
    try:
        with path.open("rb") as file:
            file.seek(HOLDER_WORD * WORD_BYTES)
            word = file.read(WORD_BYTES)
    except FileNotFoundError:
        return False
    return len(word) == WORD_BYTES and is_alive(int(np.frombuffer(word, np.int64)[0]))
