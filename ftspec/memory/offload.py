"""What offloading leaves on the device."""

from ftspec.memory.shard import MEGATRON_STACKS
from ftspec.memory.states import States
from ftspec.plan.model import Plan


def on_device(plan: Plan, states: States) -> States:
    """The states that stay in GPU memory.

    An offloaded optimizer takes the master copy, the moments and the accumulated gradients with it; Megatron keeps its
    main gradients (megatron/core/optimizer/cpu_offloading/hybrid_optimizer.py). Offloaded parameters leave nothing but
    what is gathered (Rajbhandari et al. 2021, section 5). Without ZeRO, and parameters below ZeRO 3, DeepSpeed offloads
    nothing (deepspeed/runtime/engine.py, `_configure_zero_optimizer`).
    """
    layout, stack = plan.parallelism, plan.training.stack
    ignored = "deepspeed" in stack and layout.zero_stage == 0
    moves = layout.offload_optimizer != "none" and not ignored
    moves_parameters = layout.offload_parameters != "none" and ("deepspeed" not in stack or layout.zero_stage == 3)
    share = _kept_per_mille(plan) if moves else 1000
    return States(
        parameters=0 if moves_parameters else states.parameters,
        gradients=states.gradients if not moves or stack in MEGATRON_STACKS else 0,
        master_parameters=states.master_parameters * share // 1000,
        optimizer_states=states.optimizer_states * share // 1000,
    )


def _kept_per_mille(plan: Plan) -> int:
    """What ZeRO 3 leaves of the optimizer on the GPU, by `ratio` (deepspeed/runtime/zero/offload_config.py)."""
    if plan.training.stack != "deepspeed" or plan.parallelism.zero_stage != 3:
        return 0
    return round(1000 * (1 - plan.zero.optimizer_ratio))
