"""What FSDP2 and Megatron keep on the host when they offload."""

from ftspec.memory.host_model import HostRank
from ftspec.memory.states import stage_states, updated_of
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES


def fsdp2_on_host(frame: Frame) -> HostRank:
    """`CPUOffloadPolicy`: the rank's parts of the parameters, of their gradients and the optimizer's states; each part
    of a parameter is pinned by itself, which is not rounded up here
    (torch/distributed/fsdp/_fully_shard/_fsdp_param.py, `_init_sharded_param`; _fsdp_collectives.py, `foreach_reduce`).
    """
    states = stage_states(frame.plan, frame.kinds, frame.section)
    return HostRank(
        {
            "parameters": states.parameters,
            "gradients": states.gradients,
            "master_parameters": states.master_parameters,
            "optimizer_states": states.optimizer_states,
        },
        0,
    )


def megatron_optimizer(frame: Frame) -> HostRank:
    """An fp32 copy of what the rank updates, its gradients and the optimizer's states; each tensor is pinned by itself,
    which is not rounded up here (megatron/core/optimizer/cpu_offloading/hybrid_optimizer.py, `HybridDeviceOptimizer`).
    """
    place = (frame.plan, frame.kinds, frame.section)
    wide, states = updated_of(*place).elements * DTYPE_BYTES["fp32"], stage_states(*place)
    return HostRank({"master_parameters": wide, "gradients": wide, "optimizer_states": states.optimizer_states}, 0)
