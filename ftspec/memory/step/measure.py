"""What a layer or an end of the model contributes to a step, worked out once a setting."""

from functools import cache

from ftspec.core.record import record
from ftspec.memory.step import huggingface, megatron
from ftspec.memory.step.form import ZERO, Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.recompute import kept_beside
from ftspec.memory.step.setting import Setting, Variant
from ftspec.memory.step.tape import Alive, Backward, Value, forward_moments


@record
class Part:
    """A layer or the head: what the forward pass keeps, the moments of its forward, its
    recomputation and its backward, its input, whether that input is
    itself kept, the bf16 copies of weights that autocast makes of it, and the elements of its largest product.
    """

    kept: Form
    forward: tuple[Alive, ...]
    recompute: tuple[Alive, ...]
    moments: tuple[Alive, ...]
    first: Form
    keeps_first: bool
    casts: Form
    gradient: Form
    beside: Form | None


def _measure(builder: Builder, first: Value, last: Value, keeps_gradients: bool) -> Part:
    backward = Backward(builder.nodes, keeps_gradients)
    keeps_first = first.storage in backward.savers
    moments = backward.run(last) if last.needs_gradient else ()
    copies = Form(sum(builder.products) * builder.compute) if builder.setting.autocast else ZERO
    again = forward_moments(builder.nodes, first, until_last_saved=True)
    waiting = (backward.before_saved or ZERO) + (first.size if keeps_first else ZERO)
    return Part(
        kept=backward.kept.activations,
        forward=forward_moments(builder.nodes, first),
        recompute=tuple(moment.with_temporary(waiting) for moment in again),
        moments=moments,
        first=first.size,
        keeps_first=keeps_first,
        casts=copies,
        gradient=backward.produced,
        beside=kept_beside(builder, builder.setting.recomputed) if builder.setting.recomputed else None,
    )


@cache
def layer_part(setting: Setting, variant: Variant, keeps_gradients: bool) -> Part:
    """A decoder layer."""
    made = megatron.layer(setting, variant) if setting.megatron else huggingface.layer(setting, variant)
    return _measure(*made, keeps_gradients)


@cache
def head_part(setting: Setting, vocabulary: int, variant: Variant, keeps_gradients: bool) -> Part:
    """Final norm, head and loss."""
    if setting.megatron:
        return _measure(*megatron.head(setting, vocabulary), keeps_gradients)
    return _measure(*huggingface.head(setting, vocabulary, variant), keeps_gradients)
