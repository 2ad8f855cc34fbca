"""Trace cases in this process: JSON cases on standard input, their peaks as JSON on standard output.

    python -m tests.oracles.trace_worker

A process of its own, since what another test imported may change what a step keeps: DeepSpeed's ZeRO 3 replaces
`torch.nn.functional.linear` for the whole process.
"""

import json
import sys

from tests.oracles.traces.case import Case
from tests.oracles.traces.trace import trace

if __name__ == "__main__":
    cases = [Case(**each) for each in json.load(sys.stdin)]
    json.dump([trace(case) for case in cases], sys.stdout)
