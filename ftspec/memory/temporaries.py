"""What comes and goes inside the optimizer's step."""

from ftspec.memory.deepspeed.engine import trained_of
from ftspec.memory.deepspeed.update import update_temporaries
from ftspec.memory.numbers import largest
from ftspec.memory.optimizers.pieces import is_flat
from ftspec.memory.optimizers.step import step_temporaries, works_in_place
from ftspec.memory.optimizers.width import keeps_remainders
from ftspec.memory.states import States, updated_of
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES, Plan


def optimizer_temporaries(frame: Frame, states: States, left: int) -> int:
    """What the optimizer makes, beside gradients in the type of the master copy; `left`: the gradients that exist."""
    plan = frame.plan
    if plan.training.stack == "deepspeed":
        return _of_deepspeed(frame, left)
    return _gradient_copies(plan, states) + _made(frame)


def _made(frame: Frame) -> int:
    """A step on the host makes nothing on the device."""
    if works_in_place(frame.plan) or frame.plan.parallelism.offload_optimizer != "none":
        return 0
    return step_temporaries(updated_of(frame.plan, frame.kinds, frame.section))


def _of_deepspeed(frame: Frame, left: int) -> int:
    """Muon and Adafactor work on whole matrices: ZeRO hands muon its gradients before it flattens them for the step."""
    copies = update_temporaries(frame.plan, trained_of(frame), left)
    if frame.plan.training.optimizer.kind not in ("muon", "adafactor"):
        return copies
    return largest(copies, _made(frame)) if is_flat(frame.plan) else copies + _made(frame)


def _gradient_copies(plan: Plan, states: States) -> int:
    """The master copy is stepped with gradients of its own type: a copy where they were accumulated in 16 bits
    (megatron/core/optimizer/optimizer.py, `_copy_model_grads_to_main_grads`). Without ZeRO, Megatron-DeepSpeed flattens
    the copies while they are there one by one (deepspeed/runtime/fp16/fused_optimizer.py, `step`).
    """
    if plan.precision.master_parameters == "none" or DTYPE_BYTES[plan.precision.gradients] == 4:
        return 0
    if keeps_remainders(plan):
        return 0
    twice = plan.training.stack == "megatron_deepspeed" and plan.parallelism.zero_stage == 0
    return states.master_parameters * (2 if twice else 1)
