"""Who carries each value of a plan: DeepSpeed's file, the training script and launcher, or nobody."""

from functools import cache

from ftspec.plan.megatron_settings import megatron_setting_names
from ftspec.plan.zero_settings import setting_key, zero_setting_names

_SCRIPT_MODEL = "the training script builds the model"
_SCRIPT_METHOD = "the training script wraps or freezes the model"
_LAUNCHER = "the launcher starts the processes"
_SCRIPT_LENGTH = "the training script's loop and data"
_NOT_A_SETTING = "a fact about the cluster, not a setting"

ZERO = "zero"
MEGATRON = "megatron"
"""The plan's block of DeepSpeed's own settings, which raw keys decide."""

MAPPED: dict[str, str] = {
    "training.global_batch_size": "train_batch_size",
    "training.micro_batch_size": "train_micro_batch_size_per_gpu",
    "training.gradient_accumulation_steps": "gradient_accumulation_steps",
    "training.gradient_clipping": "gradient_clipping",
    "precision.compute": "bf16.enabled fp16.enabled torch_autocast.dtype",
    "precision.parameters": "bf16.enabled fp16.enabled torch_autocast.enabled",
    "precision.gradients": "data_types.grad_accum_dtype",
    "precision.master_parameters": "bf16.bf16_master_weights_and_grads fp16.fp16_master_weights_and_grads "
    "bf16.bf16_optimizer_states",
    "precision.optimizer_states": "bf16.bf16_optimizer_states optimizer.params.fp32_optimizer_states",
    "parallelism.zero_stage": "zero_optimization.stage",
    "parallelism.offload_optimizer": "zero_optimization.offload_optimizer.device",
    "parallelism.offload_parameters": "zero_optimization.offload_param.device",
    "parallelism.tensor": "tensor_parallel.autotp_size",
    "parallelism.expert": "expert_parallel.autoep_size",
    "parallelism.expert_tensor": "expert_parallel.expert_tensor_parallel_size",
    "parallelism.context": "sequence_parallel_size",
    "parallelism.data": "data_parallel_size",
    "training.optimizer.kind": "optimizer.type optimizer.params.adam_w_mode",
    "training.optimizer.learning_rate": (
        "optimizer.params.lr scheduler.params.warmup_max_lr scheduler.params.cos_min_ratio"
    ),
    "training.optimizer.weight_decay": "optimizer.params.weight_decay",
    "training.optimizer.beta1": "optimizer.params.betas",
    "training.optimizer.beta2": "optimizer.params.betas",
    "training.optimizer.epsilon": "optimizer.params.eps",
    "training.optimizer.momentum": "optimizer.params.momentum",
    "training.optimizer.fused": "optimizer.params.torch_adam optimizer.params.foreach",
    "training.scheduler.kind": "scheduler.type",
    "training.scheduler.warmup_steps": "scheduler.params.warmup_num_steps scheduler.params.warmup_min_ratio",
    "training.scheduler.total_steps": "scheduler.params.total_num_steps",
    "training.scheduler.minimum_learning_rate": "scheduler.params.cos_min_ratio scheduler.params.warmup_min_lr",
    "training.activation_checkpointing": (
        "activation_checkpointing.number_checkpoints pipeline.activation_checkpoint_interval"
    ),
    "training.checkpoint_every_layers": (
        "activation_checkpointing.number_checkpoints pipeline.activation_checkpoint_interval"
    ),
    **{f"{ZERO}.{name}": setting_key(name) for name in zero_setting_names()},
}
"""Plan path → the keys of the file that carry it, where the plan has it."""

ELSEWHERE: dict[str, str] = {
    **{f"{MEGATRON}.{name}": "target megatron's own arguments" for name in megatron_setting_names()},
    "name": "the launcher names the job",
    "model.id": _SCRIPT_MODEL,
    "model.shape": _SCRIPT_MODEL,
    "model.parameters": _SCRIPT_MODEL,
    "hardware.gpu": _LAUNCHER,
    "hardware.accelerator": "DS_ACCELERATOR, or what DeepSpeed finds; a CPU also gets torch's optimizer",
    "hardware.nodes": _LAUNCHER,
    "hardware.gpus_per_node": _LAUNCHER,
    "hardware.world_size": _LAUNCHER,
    "training.stack": "the training script: Megatron-DeepSpeed's or another",
    "training.method.kind": _SCRIPT_METHOD,
    "training.method.rank": _SCRIPT_METHOD,
    "training.method.alpha": _SCRIPT_METHOD,
    "training.method.dropout": _SCRIPT_METHOD,
    "training.method.targets": _SCRIPT_METHOD,
    "training.method.adapter_dtype": _SCRIPT_METHOD,
    "training.method.quantization": _SCRIPT_METHOD,
    "training.method.double_quantization": _SCRIPT_METHOD,
    "training.method.last_layers": _SCRIPT_METHOD,
    "training.method.embeddings": _SCRIPT_METHOD,
    "training.method.head": _SCRIPT_METHOD,
    "training.optimizer.paged": "the optimizer that the training script passes",
    "training.sequence_length": "the training script's data loader",
    "training.attention": _SCRIPT_MODEL,
    "training.loss": _SCRIPT_MODEL,
    "training.tokens": _SCRIPT_LENGTH,
    "training.steps": _SCRIPT_LENGTH,
    "training.seed": "the training script seeds torch",
    "parallelism.pipeline": "the PipelineModule that the training script builds",
    "parallelism.sequence_parallel": "Megatron's layers in the training script",
}
"""Plan path → who carries it instead."""

UNSUPPORTED: dict[str, str] = {
    "parallelism.virtual_pipeline": "DeepSpeed's pipeline engine has one chunk of layers a stage",
    "parallelism.schedule": "DeepSpeed's pipeline engine runs 1F1B",
    "parallelism.distributed_optimizer": "Megatron's own; DeepSpeed shards optimizer states with ZeRO",
    "hardware.gpu_memory_bytes": _NOT_A_SETTING,
    "hardware.usable_memory_bytes": _NOT_A_SETTING,
    "hardware.network": _NOT_A_SETTING,
    "hardware.host_memory_bytes": _NOT_A_SETTING,
    "hardware.price_per_gpu_hour": _NOT_A_SETTING,
    "storage.kind": _NOT_A_SETTING,
    "storage.read_bandwidth": _NOT_A_SETTING,
    "storage.write_bandwidth": _NOT_A_SETTING,
    "storage.checkpoint_every_seconds": "DeepSpeed writes a checkpoint when the training script asks for one",
}
"""Plan path → why DeepSpeed cannot say it."""

_SPEC_PATHS = {
    "training.scheduler": "training.learning_rate_scheduler",
    "parallelism.offload_optimizer": "parallelism.offload.optimizer",
    "parallelism.offload_parameters": "parallelism.offload.parameters",
    "training.checkpoint_every_layers": "training.activation_checkpointing.every",
    "training.method.kind": "training.method",
    "training.optimizer.kind": "training.optimizer",
    "storage.checkpoint_every_seconds": "storage.checkpoint.every",
    "training.scheduler.kind": "training.learning_rate_scheduler",
}


def spec_path(plan_path: str) -> str:
    """The field of the language that a plan value is written in."""
    written = _SPEC_PATHS.get(plan_path)
    if written is not None:
        return written
    parent, _, name = plan_path.rpartition(".")
    return f"{_SPEC_PATHS.get(parent, parent)}.{name}"


@cache
def owners() -> dict[str, str]:
    """The keys of the file that the spec's fields decide → the first plan path that they carry."""
    owner: dict[str, str] = {}
    for path, keys in MAPPED.items():
        for key in keys.split() if not path.startswith(f"{ZERO}.") else ():
            owner.setdefault(key, path)
    return {**owner, **_FORMER}


_FORMER = {
    "pipeline.stages": "parallelism.pipeline",
    "bfloat16.enabled": "precision.compute",
    "bfloat16.bf16_master_weights_and_grads": "precision.master_parameters",
    "bfloat16.bf16_optimizer_states": "precision.optimizer_states",
    "zero_optimization.cpu_offload": "parallelism.offload_optimizer",
    "zero_optimization.cpu_offload_param": "parallelism.offload_parameters",
    "tensor_parallel.tp.tp_size": "parallelism.tensor",
    "tensor_parallel.tensor_parallel.tp_size": "parallelism.tensor",
    "expert_parallel.enabled": "parallelism.expert",
    "optimizer.params.muon_lr": "training.optimizer.learning_rate",
    "optimizer.params.adam_lr": "training.optimizer.learning_rate",
    "optimizer.params.max_grad_norm": "training.gradient_clipping",
}
"""Other spellings of the same things, which we never write. DeepSpeed reads all but `pipeline.stages`."""
