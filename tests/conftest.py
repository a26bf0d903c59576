"""What every test needs: no network, and one thread for models too small to share."""

from __future__ import annotations

import os

os.environ.update(HF_HUB_OFFLINE="1", HF_EVALUATE_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")
os.environ.setdefault("TQDM_DISABLE", "1")
