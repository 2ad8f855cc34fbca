"""What ZeRO-Offload and ZeRO-Infinity keep on the host (Rajbhandari et al. 2021, section 5)."""

from ftspec.memory.deepspeed.buckets import partition_buffer
from ftspec.memory.deepspeed.engine import Trained, trained_of
from ftspec.memory.deepspeed.update import sub_group_elements
from ftspec.memory.facts import fact
from ftspec.memory.host_model import HostRank
from ftspec.memory.numbers import parts
from ftspec.memory.pinned import pinned
from ftspec.memory.states import stage_states
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import Plan


def zero_optimizer(frame: Frame) -> HostRank:
    """ZeRO 1 and 2: the master copy, its gradients, the new 16-bit weights on their way back, and a gradient on its way
    (deepspeed/runtime/zero/stage_1_and_2.py, `__init__`, `initialize_optimizer_states`); moments are not pinned
    (deepspeed/ops/adam/cpu_adam.py, `step`). NVMe is taken for cpu.
    """
    plan, trained = frame.plan, trained_of(frame)
    pin = plan.zero.optimizer_pin_memory
    wide, narrow = trained.part * trained.master, trained.part * trained.made
    terms = {
        "master_parameters": pinned(plan, wide, pin),
        "gradients": pinned(plan, wide, pin) + _accumulated_tensors(plan, trained),
        "optimizer_states": _moments(frame),
        "staging": pinned(plan, narrow, pin) + pinned(plan, trained.largest * trained.made, pin),
    }
    return HostRank(terms, 0)


def _accumulated_tensors(plan: Plan, trained: Trained) -> int:
    """Between micro-batches ZeRO 2's gradients of a rank's tensors wait on the host, whole, in their own type
    (deepspeed/runtime/zero/stage_1_and_2.py, `async_accumulate_grad_in_cpu_via_gpu`).
    """
    again = plan.training.gradient_accumulation_steps > 1 and trained.engine == "zero_2"
    return partition_buffer(trained) if again and trained.accumulated <= trained.made < trained.master else 0


def _moments(frame: Frame) -> int:
    return stage_states(frame.plan, frame.kinds, frame.section).optimizer_states


def groups_of(plan: Plan, trained: Trained) -> list[int]:
    """Elements of a rank's sub-groups, all but the last of the full size
    (deepspeed/runtime/zero/stage3.py, `_create_fp16_sub_groups`).
    """
    size = max(1, min(sub_group_elements(plan, trained), trained.part))
    count = parts(trained.part, size)
    return [size] * (count - 1) + [trained.part - size * (count - 1)] if count else []


def groups_on_host(plan: Plan, trained: Trained) -> list[int]:
    """The sub-groups that the optimizer's `ratio` leaves to the host: the last ones
    (deepspeed/runtime/zero/stage3.py, `_create_fp32_partitions`).
    """
    groups = groups_of(plan, trained)
    return groups[int((1 - plan.zero.optimizer_ratio) * len(groups)) :]


def zero_3_optimizer(frame: Frame) -> HostRank:
    """ZeRO 3: master copy and moments, their gradients by sub-group, and the buffer in which gradients are accumulated
    (deepspeed/runtime/zero/stage3.py, `_create_fp32_partitions`, `initialize_optimizer_states`,
    `_setup_for_real_optimizer`). With NVMe the buffer alone, and `buffer_count` buffers of the largest sub-group.
    """
    plan, trained = frame.plan, trained_of(frame)
    pin, groups = plan.zero.optimizer_pin_memory, groups_on_host(plan, trained)
    buffer = pinned(plan, trained.part * trained.accumulated, pin)
    if plan.parallelism.offload_optimizer == "nvme":
        swapped = trained.part * 2 * trained.master + _moments(frame)
        return HostRank({"gradients": buffer, "staging": _swap_buffers(plan, trained, groups)}, swapped)
    held = sum(groups)
    terms = {
        "master_parameters": held * trained.master,
        "gradients": buffer + sum(pinned(plan, group * trained.master, pin) for group in groups),
        "optimizer_states": _moments(frame) * held // max(1, trained.part),
    }
    return HostRank(terms, 0)


def _aligned(size: int) -> int:
    """Bytes of a buffer for asynchronous reads and writes (deepspeed/runtime/swap_tensor/utils.py)."""
    multiple = fact("deepspeed", "aio_aligned_bytes")
    return parts(size, multiple) * multiple


def _swap_buffers(plan: Plan, trained: Trained, groups: list[int]) -> int:
    """Buffers through which sub-groups come from NVMe and go back
    (deepspeed/runtime/swap_tensor/utils.py, `SwapBufferManager`; page-locked, not by torch).
    """
    return plan.zero.optimizer_buffer_count * _aligned(max(groups, default=0) * trained.master)


def parameters_on_host(frame: Frame) -> HostRank:
    """ZeRO 3's parameters: one pinned buffer for the trained ones, whatever `pin_memory` says, and the frozen ones each
    by itself (deepspeed/runtime/zero/stage3.py, `_create_param_groups_fp16_flat_cpu_memory`). With NVMe at most
    `max_in_cpu` elements of them, and `buffer_count` buffers of `buffer_size` elements
    (deepspeed/runtime/swap_tensor/partitioned_param_swapper.py, `_configure_aio`).
    """
    plan, trained = frame.plan, trained_of(frame)
    states = stage_states(plan, frame.kinds, frame.section)
    frozen = states.parameters - trained.part * trained.made
    if plan.parallelism.offload_parameters != "nvme":
        return HostRank({"parameters": pinned(plan, trained.part * trained.made, pin=True) + frozen}, 0)
    kept = min(trained.part, plan.zero.param_max_in_cpu)
    buffers = _aligned(plan.zero.param_buffer_size * trained.made) * plan.zero.param_buffer_count
    reserved = _aligned(max(groups_of(plan, trained), default=0) * trained.made) if kept < trained.part else 0
    terms = {"parameters": pinned(plan, kept * trained.made, pin=True), "staging": buffers + reserved}
    return HostRank(terms, (trained.part - kept) * trained.made + frozen)
