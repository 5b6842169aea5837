"""How the fleet answers a command: by repeating its body, or by a reason."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.core.records import HEADER_BYTES
from ringmain.vpp.messages import SCHEMA, AssetRejected

REJECTION_RECORD = AssetRejected.dtype  # all rejections are laid out like this one
WORDS = (SCHEMA.record_bytes - HEADER_BYTES) // 8


def _body_record() -> np.dtype[Any]:
    """Return the layout that reads any record's body as whole words."""
    layout: Any = {
        "names": ["words"],
        "formats": [("<i8", (WORDS,))],
        "offsets": [HEADER_BYTES],
        "itemsize": SCHEMA.record_bytes,
    }
    record: np.dtype[Any] = np.dtype(layout, align=True)
    return record


BODY_RECORD = _body_record()


@kernel
def echo(event: Any, command: Any) -> None:
    """Accept: the event repeats the command's body. Both are BODY_RECORD."""
    for i in range(WORDS):
        event.words[i] = command.words[i]


@kernel
def reject(event: Any, subject_id: int, reason: int) -> None:
    """Refuse: the event names the subject and the reason. The event is REJECTION_RECORD."""
    assert reason > 0
    event.asset_id = subject_id
    event.reason = reason
