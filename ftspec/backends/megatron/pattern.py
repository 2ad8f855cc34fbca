"""Megatron's expressions for what differs from layer to layer."""

from collections.abc import Sequence


def layer_pattern(layers: Sequence[bool]) -> str:
    """Which layers have something, as Megatron reads it (`_eval_pattern` of arguments.py): `([0]*3+[1]*58)`."""
    runs: list[tuple[bool, int]] = []
    for layer in layers:
        if runs and runs[-1][0] is layer:
            runs[-1] = (layer, runs[-1][1] + 1)
        else:
            runs.append((layer, 1))
    return "(" + "+".join(f"[{int(has)}]*{count}" for has, count in runs) + ")"
