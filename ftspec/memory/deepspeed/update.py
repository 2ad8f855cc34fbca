"""What the optimizer's step makes beside the gradients that are left."""

from ftspec.memory.deepspeed.buckets import partition_overhang
from ftspec.memory.deepspeed.engine import Trained, kernel_temporaries, uses_torch_kernel
from ftspec.memory.numbers import largest, parts, smallest
from ftspec.memory.optimizers.width import state_width
from ftspec.plan.model import Plan


def update_temporaries(plan: Plan, trained: Trained, left: int) -> int:
    """Bytes beside `left`, the gradients that exist when the step begins. An offloaded step runs on the host."""
    if plan.parallelism.offload_optimizer != "none":
        return 0
    if trained.engine == "plain":
        return _of_all_tensors(plan, trained)
    if trained.engine == "fp16":
        return _without_zero(plan, trained)
    if trained.engine == "zero_3":
        return _by_sub_groups(plan, trained)
    if trained.engine == "bf16" or trained.accumulated > trained.made:
        return kernel_temporaries(plan, trained.part)  # the accumulated gradients are the optimizer's own
    return _by_partition(plan, trained, left)


def _without_zero(plan: Plan, trained: Trained) -> int:
    """A copy of all gradients in the master's type. FP16_Optimizer, which wraps DeepSpeed's fused Adam alone, flattens
    the copies while they are there one by one (deepspeed/runtime/fp16/fused_optimizer.py, `step`);
    FP16_UnfusedOptimizer has the others step tensor by tensor (unfused_optimizer.py, `step`).
    """
    copied = trained.elements * trained.master
    return 2 * copied if steps_flat(plan) else copied + _of_all_tensors(plan, trained)


def steps_flat(plan: Plan) -> bool:
    """Whether the optimizer without ZeRO is FP16_Optimizer: FusedAdam (deepspeed/runtime/engine.py,
    `_configure_fp16_optimizer`).
    """
    return plan.training.optimizer.kind in ("adam", "adamw") and not uses_torch_kernel(plan)


def _of_all_tensors(plan: Plan, trained: Trained) -> int:
    """What torch's optimizers make while they step all tensors. SGD is given no `foreach`, so that on a GPU it decays
    all gradients at once (torch/optim/sgd.py, `sgd`: `_default_to_fused_or_foreach`). Adam goes tensor by tensor; the
    roots of the one before, which in a layer may be as large, are there until those of the next are made
    (torch/optim/adam.py, `_single_tensor_adam`: `denom`).
    """
    if plan.training.optimizer.kind == "sgd":
        together = plan.hardware.accelerator.vendor != "cpu"
        return kernel_temporaries(plan, trained.elements if together else trained.largest)
    largest_s, in_layer_s = (kernel_temporaries(plan, each) for each in (trained.largest, trained.in_layer))
    before = trained.in_layer * state_width(plan) if in_layer_s else 0
    return largest(largest_s, in_layer_s + before)


def _by_partition(plan: Plan, trained: Trained, left: int) -> int:
    """The partition's gradients are flattened, and copied to the master's type if theirs is another; then those that
    were left are freed, and the optimizer runs (deepspeed/runtime/zero/stage_1_and_2.py, `step`).
    """
    flat, copied = trained.part * trained.made, trained.part * trained.master
    preparing = partition_overhang(plan, trained) + flat + (copied if trained.master != trained.made else 0)
    return largest(largest(preparing, norm_copy(trained)), copied + kernel_temporaries(plan, trained.part) - left)


def norm_copy(trained: Trained) -> int:
    """Before that the norm of each gradient is taken in fp64, of a copy
    (deepspeed/runtime/zero/stage_1_and_2.py and stage3.py, `get_grad_norm_direct`).
    """
    own = parts(trained.largest, trained.ranks) if trained.engine == "zero_3" else trained.largest
    return 8 * smallest(own, trained.part)


def _by_sub_groups(plan: Plan, trained: Trained) -> int:
    """The same for one sub-group after the other, whose gradients' buffer stays
    (deepspeed/runtime/zero/stage3.py, `_prepare_fp32_grad_for_sub_group`; `_create_fp16_sub_groups`: a group is full
    when it has reached its size).
    """
    group = sub_group_elements(plan, trained)
    flat, copied = group * trained.accumulated, group * trained.master
    preparing = flat + (copied if trained.master != trained.accumulated else 0)
    return largest(largest(preparing, norm_copy(trained)), copied + kernel_temporaries(plan, group))


def sub_group_elements(plan: Plan, trained: Trained) -> int:
    """Elements of the largest sub-group: the tensor that fills it may be any."""
    return smallest(trained.part, plan.zero.sub_group_size + parts(trained.in_layer, trained.ranks))
