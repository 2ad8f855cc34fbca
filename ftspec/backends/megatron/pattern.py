"""Megatron's expressions for what differs from layer to layer."""

from collections.abc import Sequence


def layer_pattern(layers: Sequence[bool]) -> str:
    """Which layers have something, as Megatron reads it (`_eval_pattern` of arguments.py).

    `([0]*3+[1]*58)` for three layers without and 58 with, `([1]*3+[0]*1)*12` for what repeats.
    """
    count = len(layers)
    period = next(size for size in range(1, count + 1) if count % size == 0 and _repeats(layers, size))
    runs: list[tuple[bool, int]] = []
    for layer in layers[:period]:
        if runs and runs[-1][0] is layer:
            runs[-1] = (layer, runs[-1][1] + 1)
        else:
            runs.append((layer, 1))
    once = "(" + "+".join(f"[{int(has)}]*{length}" for has, length in runs) + ")"
    return once if period == count else f"{once}*{count // period}"


def _repeats(layers: Sequence[bool], size: int) -> bool:
    return all(layers[index] == layers[index % size] for index in range(len(layers)))
