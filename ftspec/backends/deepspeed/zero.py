"""ZeRO: the stage, its buckets, and offload."""

from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.backends.deepspeed.settings import Setting, constant, default_setting
from ftspec.plan.model import Plan, StorageDevice

_ZERO = "zero_optimization"
_SHARED = ("contiguous_gradients", "reduce_bucket_size")
_GATHERING = ("allgather_partitions", "allgather_bucket_size")
_STAGE_3 = (
    "sub_group_size",
    "stage3_prefetch_bucket_size",
    "stage3_param_persistence_threshold",
    "stage3_max_live_parameters",
    "stage3_max_reuse_distance",
)


def zero_settings(plan: Plan, options: DeepSpeedOptions) -> list[Setting]:
    """`zero_optimization`. Buckets are DeepSpeed's defaults, stated; raw keys change them."""
    stage = plan.parallelism.zero_stage
    settings = [Setting(f"{_ZERO}.stage", stage, "parallelism.zero_stage")]
    if stage == 0:
        return settings
    settings += [default_setting(f"{_ZERO}.{name}") for name in _SHARED]
    settings.append(_reduce_scatter(plan))
    settings.append(constant(f"{_ZERO}.overlap_comm", stage == 3, "DeepSpeed's own choice at this stage, stated"))
    if stage < 3:
        settings += [default_setting(f"{_ZERO}.{name}") for name in _GATHERING]
    else:
        settings += [default_setting(f"{_ZERO}.{name}") for name in _STAGE_3]
        settings.append(
            constant(
                f"{_ZERO}.stage3_gather_16bit_weights_on_model_save",
                True,
                "without it save_16bit_model saves no weights",
            )
        )
    return settings + _offload(plan, options)


def _reduce_scatter(plan: Plan) -> Setting:
    """Muon at stage 3 needs whole gradients (deepspeed/runtime/zero/stage3.py, `__init__`)."""
    key = f"{_ZERO}.reduce_scatter"
    if plan.training.optimizer.kind == "muon" and plan.parallelism.zero_stage == 3:
        return constant(key, False, "Muon at stage 3 refuses reduce-scatter")
    return default_setting(key)


def _offload(plan: Plan, options: DeepSpeedOptions) -> list[Setting]:
    layout = plan.parallelism
    optimizer = _device("offload_optimizer", layout.offload_optimizer, "parallelism.offload_optimizer", options)
    return [*optimizer, *_device("offload_param", layout.offload_parameters, "parallelism.offload_parameters", options)]


def _device(section: str, device: StorageDevice, origin: str, options: DeepSpeedOptions) -> list[Setting]:
    if device == "none":
        return []
    key = f"{_ZERO}.{section}"
    settings = [Setting(f"{key}.device", device, origin), default_setting(f"{key}.pin_memory")]
    if device == "nvme":
        settings.append(constant(f"{key}.nvme_path", options.nvme_path, "nvme_path of target deepspeed"))
    return settings
