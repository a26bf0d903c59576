"""python -m harness.cli"""

import sys

from harness.__main__ import run

sys.exit(run())
