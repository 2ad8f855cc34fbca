"""ZeRO: the stage, its buckets, and offload."""

from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.backends.deepspeed.settings import Setting, constant, default_setting
from ftspec.plan.model import Plan, StorageDevice
from ftspec.plan.zero_settings import setting_key

_ZERO = "zero_optimization"
_SHARED = ("contiguous_gradients", "reduce_bucket_size")
_GATHERING = ("allgather_partitions", "allgather_bucket_size")
_STAGE_3 = (
    "sub_group_size",
    "prefetch_bucket_size",
    "param_persistence_threshold",
    "max_live_parameters",
    "max_reuse_distance",
    "allgather_sequential",
    "hpz_partition_size",
)
_ON_HOST = {"optimizer": ("optimizer_pin_memory",), "param": ("param_pin_memory",)}
_RATIO = "optimizer_ratio"
_ON_NVME = {
    "optimizer": ("optimizer_buffer_count",),
    "param": ("param_buffer_count", "param_buffer_size", "param_max_in_cpu"),
}


def _carried(plan: Plan, name: str) -> Setting:
    """One of the plan's ZeRO settings: what the raw keys say, else DeepSpeed's default, stated."""
    return Setting(setting_key(name), getattr(plan.zero, name), f"zero.{name}")


def zero_settings(plan: Plan, options: DeepSpeedOptions) -> list[Setting]:
    """`zero_optimization`. Buckets are DeepSpeed's defaults, stated; raw keys change them."""
    stage = plan.parallelism.zero_stage
    settings = [Setting(f"{_ZERO}.stage", stage, "parallelism.zero_stage")]
    if stage == 0:
        return settings
    settings += [_carried(plan, name) for name in _SHARED]
    settings += [_reduce_scatter(plan), _overlap(plan)]
    if stage < 3:
        settings += [default_setting(f"{_ZERO}.{name}") for name in _GATHERING]
    else:
        settings += [_carried(plan, name) for name in _STAGE_3]
        settings.append(
            constant(
                f"{_ZERO}.stage3_gather_16bit_weights_on_model_save",
                True,
                "without it save_16bit_model saves no weights",
            )
        )
    return settings + _offload(plan, options)


def _overlap(plan: Plan) -> Setting:
    """At stage 3 DeepSpeed overlaps by itself (deepspeed/runtime/zero/config.py, `overlap_comm_valid`)."""
    if plan.parallelism.zero_stage == 3 and not plan.zero.overlap_comm:
        return constant(setting_key("overlap_comm"), True, "DeepSpeed's own choice at this stage, stated")
    return _carried(plan, "overlap_comm")


def _reduce_scatter(plan: Plan) -> Setting:
    """Muon at stage 3 needs whole gradients (deepspeed/runtime/zero/stage3.py, `__init__`)."""
    key = f"{_ZERO}.reduce_scatter"
    if plan.training.optimizer.kind == "muon" and plan.parallelism.zero_stage == 3:
        return constant(key, False, "Muon at stage 3 refuses reduce-scatter")
    return _carried(plan, "reduce_scatter")


def _offload(plan: Plan, options: DeepSpeedOptions) -> list[Setting]:
    layout = plan.parallelism
    return [
        *_device(plan, "optimizer", layout.offload_optimizer, "parallelism.offload_optimizer", options),
        *_device(plan, "param", layout.offload_parameters, "parallelism.offload_parameters", options),
    ]


def _device(plan: Plan, what: str, device: StorageDevice, origin: str, options: DeepSpeedOptions) -> list[Setting]:
    if device == "none":
        return []
    key = f"{_ZERO}.offload_{what}"
    settings = [Setting(f"{key}.device", device, origin), *(_carried(plan, name) for name in _ON_HOST[what])]
    if what == "optimizer" and plan.parallelism.zero_stage == 3:
        settings.append(_carried(plan, _RATIO))
    if device == "nvme":
        settings.append(constant(f"{key}.nvme_path", options.nvme_path, "nvme_path of target deepspeed"))
        settings += [_carried(plan, name) for name in _ON_NVME[what]]
    return settings
