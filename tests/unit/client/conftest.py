import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent.parent
for folder in ("unit/exchange", "model/gateway"):  # a venue in a folder; the slow twin of the public book
    sys.path.insert(0, str(TESTS / folder))
