import os
import sys
from pathlib import Path

# Threads that wait for each other by spinning are slow on a machine that others share.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
