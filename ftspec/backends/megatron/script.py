"""`train.sh`: starts the job with torchrun on one node, with the plan's arguments."""

import shlex
from collections.abc import Sequence

from ftspec.backends.megatron.argument import Argument, shell_lines
from ftspec.plan.model import Plan

DEFAULT_SCRIPT = "pretrain_gpt.py"

_HEAD = """\
#!/usr/bin/env bash
# Written by ftspec. Run it on every node; what stands behind it on the command line goes to Megatron,
# after the arguments below, for example: ./train.sh --data-path /data/tokens --save /checkpoints
#   MEGATRON_SCRIPT  the training script          NNODES, NPROC_PER_NODE  the GPUs
#   MASTER_ADDR      the first node (needed on several nodes)   MASTER_PORT, RDZV_ID, RDZV_BACKEND
# shellcheck disable=SC2016  # what stands in single quotes is meant as it stands
set -euo pipefail
"""
_LAUNCH = """\
count='^[1-9][0-9]{{0,8}}$'
if ! [[ "$NNODES" =~ $count && "$NPROC_PER_NODE" =~ $count && $((NNODES * NPROC_PER_NODE)) -eq {world_size} ]]; then
  echo "train.sh: these arguments are for {world_size} GPUs, not $NNODES nodes of $NPROC_PER_NODE; compile again" >&2
  exit 2
fi
if [[ "$NNODES" -gt 1 && -z "${{MASTER_ADDR:-}}" ]]; then
  echo "train.sh: $NNODES nodes need MASTER_ADDR, the address of the first node" >&2
  exit 2
fi

exec torchrun \\
  --nnodes="$NNODES" \\
  --nproc-per-node="$NPROC_PER_NODE" \\
  --rdzv-id="${{RDZV_ID:-$job}}" \\
  --rdzv-backend="${{RDZV_BACKEND:-c10d}}" \\
  --rdzv-endpoint="${{MASTER_ADDR:-localhost}}:${{MASTER_PORT:-29500}}" \\
  "$script" "${{arguments[@]}}" "$@"
"""


def train_script(plan: Plan, script: str | None, arguments: Sequence[Argument]) -> str:
    """The script's text. Everything that comes from a spec is quoted."""
    hardware = plan.hardware
    return "\n".join(
        (
            _HEAD,
            f"job={shlex.quote(plan.name)}",
            f"default_script={shlex.quote(script or DEFAULT_SCRIPT)}",
            'script="${MEGATRON_SCRIPT:-$default_script}"',
            f'NNODES="${{NNODES:-{hardware.nodes}}}"',
            f'NPROC_PER_NODE="${{NPROC_PER_NODE:-{hardware.gpus_per_node}}}"',
            "# Megatron asks for this with tensor or context parallelism on GPUs before Blackwell.",
            'export CUDA_DEVICE_MAX_CONNECTIONS="${CUDA_DEVICE_MAX_CONNECTIONS:-1}"',
            "",
            "arguments=(",
            shell_lines(arguments, "  ") + ")",
            "",
            _LAUNCH.format(world_size=hardware.world_size),
        )
    )
