"""What every test needs: no network, and one thread for models too small to share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.update(HF_HUB_OFFLINE="1", HF_EVALUATE_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")
os.environ.setdefault("TQDM_DISABLE", "1")

# The first example pays for imports, and a busy machine's clock tells nothing of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_collection_finish() -> None:
    """Leave what was imported out of later collections: a training asks for several, a quarter of a second each."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # or DuckDB would miss at exit what was never collected


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches the test and what it starts, though a shell's background job inherits SIGINT as ignored."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)
