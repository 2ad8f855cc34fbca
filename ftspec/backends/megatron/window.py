"""Sliding-window attention as Megatron's arguments."""

from ftspec.backends.megatron.argument import Argument
from ftspec.backends.megatron.pattern import layer_pattern
from ftspec.catalog.shape import ModelShape

WINDOW_KINDS = ("full_attention", "sliding_attention")


def window_arguments(shape: ModelShape, sequence_length: int) -> list[Argument]:
    """The window, and which layers have it, where it is shorter than the sequence.

    Megatron's window counts the tokens before a token, Hugging Face's the token too
    (megatron/core/transformer/utils.py, `is_layer_window_attention`).
    """
    window = shape.sliding_window
    if window is None or sequence_length <= window:
        return []
    arguments = [Argument("window-size", f"{window - 1},0", "model.shape")]
    slides = [kind == "sliding_attention" for kind in shape.layer_types]
    if not all(slides):
        arguments.append(Argument("window-attn-skip-freq", layer_pattern(slides), "model.shape"))
    return arguments
