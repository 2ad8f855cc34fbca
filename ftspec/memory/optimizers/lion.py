"""Lion: one moment, and the sign of what the gradient makes of it (Chen et al. 2023, algorithm 2)."""

from ftspec.memory.optimizers.layer_wise import is_layer_wise, layer_wise_shares
from ftspec.memory.optimizers.pieces import Updated, largest_of, pieces_of
from ftspec.memory.optimizers.width import state_width, steps_on_parameters


def states(updated: Updated) -> int:
    """The moment: bitsandbytes', in fp32 whatever the parameters are (bitsandbytes/optim/optimizer.py,
    `Optimizer1State.init_state`); lion-pytorch's and DeepSpeed's FusedLion as wide as what is updated
    (`torch.zeros_like(p)`). Megatron leaves all but the layers' matrices to Adam.
    """
    plan = updated.plan
    if not is_layer_wise(plan):
        return updated.elements * state_width(plan)
    shares = layer_wise_shares(plan, updated.kinds, updated.section, updated.degrees)
    return (shares.matrices + 2 * shares.rest) * state_width(plan)


def temporaries(updated: Updated) -> int:
    """bitsandbytes' and DeepSpeed's kernels work in place. lion-pytorch, which FSDP2's DTensors need, clones a tensor's
    moment and adds the gradient to it in a third one (lion_pytorch/lion_pytorch.py, `update_fn`).
    """
    plan = updated.plan
    if not steps_on_parameters(plan) or (plan.training.optimizer.fused and plan.training.stack != "fsdp2"):
        return 0
    return 2 * largest_of(pieces_of(updated)) * state_width(plan)
