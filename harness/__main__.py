"""python -m harness, and the command `harness`."""

import os
import signal
import sys

# Threads of OpenBLAS (NumPy and SciPy have one set each) go to sleep at once when there is nothing to do for them: as
# they are made they turn round and round for a while, which took a tenth of the processor time of a small decision.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # its least


def run() -> int:
    """The command line. Ctrl-C before it is there, or after its end, ends the process as the system does: silently."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from harness.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
