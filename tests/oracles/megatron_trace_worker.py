"""Trace cases in this process: JSON cases on standard input, their bytes as JSON on the last line of standard output.

    python -m tests.oracles.megatron_trace_worker

A process of its own: Megatron is patched for it, and Transformer Engine is over stand-ins.
"""

import json
import sys

from tests.memory.megatron_cases import Case
from tests.oracles.megatron_machine import prepare
from tests.oracles.megatron_trace import trace

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    prepare()
    print()
    print(json.dumps([trace(Case(**each)) for each in asked]))
