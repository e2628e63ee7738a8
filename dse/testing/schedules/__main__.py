"""``python -m dse.testing.schedules DESIGN SCHEDULES PREEMPTIONS SEED``, with ``NUMBA_DISABLE_JIT=1``: findings, one a line."""

from __future__ import annotations

import json
import sys

from dse.testing import bounds
from dse.testing.schedules import judging
from kernels.compiling.jit import INTERPRETED

if __name__ == "__main__":
    if not INTERPRETED:
        sys.exit("set NUMBA_DISABLE_JIT=1")
    if len(sys.argv) == 3:
        sys.stdout.write(judging.again(*sys.argv[1:]) + bounds.END)
    else:
        made = judging.judge(sys.argv[1], *(int(one) for one in sys.argv[2:5]))
        sys.stdout.write(json.dumps(vars(made)) + bounds.END)
