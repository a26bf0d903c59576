"""python -m harness, and the command `harness`."""

import signal
import sys


def run() -> int:
    """The command line. Ctrl-C before it is there, or after its end, ends the process as the system does: silently."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from harness.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
