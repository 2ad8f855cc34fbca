"""Which key of the tree carries each plan path."""

from collections.abc import Mapping

from ftspec.plan.megatron_settings import megatron_setting_names
from ftspec.plan.zero_settings import zero_setting_names

_SAME = (
    "hardware.gpu hardware.nodes hardware.gpus_per_node hardware.world_size hardware.network "
    "hardware.price_per_gpu_hour precision.compute precision.parameters precision.master_parameters "
    "precision.gradients precision.optimizer_states training.stack training.method.kind "
    "training.method.rank training.method.alpha training.method.dropout training.method.targets "
    "training.method.adapter_dtype training.method.quantization training.method.double_quantization "
    "training.method.last_layers training.method.embeddings training.method.head training.sequence_length "
    "training.micro_batch_size training.global_batch_size training.gradient_accumulation_steps "
    "training.attention training.loss training.optimizer.kind training.optimizer.learning_rate "
    "training.optimizer.weight_decay training.optimizer.beta1 training.optimizer.beta2 "
    "training.optimizer.epsilon training.optimizer.momentum training.optimizer.fused training.optimizer.paged "
    "training.gradient_clipping training.tokens training.steps training.seed parallelism.tensor "
    "parallelism.pipeline parallelism.virtual_pipeline parallelism.data parallelism.context "
    "parallelism.expert parallelism.expert_tensor parallelism.zero_stage parallelism.sequence_parallel "
    "parallelism.distributed_optimizer parallelism.schedule storage.kind storage.read_bandwidth "
    "storage.write_bandwidth name model.parameters"
)

MAPPED: Mapping[str, str] = {
    **{path: path for path in _SAME.split()},
    "model.id": "model.from, or model.id where the model is not of the catalog",
    "model.shape": "model",
    "hardware.gpu_memory_bytes": "hardware.gpu_memory",
    "hardware.usable_memory_bytes": "hardware.usable_memory",
    "hardware.host_memory_bytes": "hardware.host_memory",
    "training.activation_checkpointing": "training.activation_checkpointing.kind",
    "training.checkpoint_every_layers": "training.activation_checkpointing.every",
    **{
        f"training.scheduler.{name}": f"training.learning_rate_scheduler.{name}"
        for name in ("kind", "warmup_steps", "total_steps", "minimum_learning_rate")
    },
    "parallelism.offload_optimizer": "parallelism.offload.optimizer",
    "parallelism.offload_parameters": "parallelism.offload.parameters",
    "storage.checkpoint_every_seconds": "storage.checkpoint.every",
}
"""The dotted key of the composed config for each plan path, where it is written for the plan's method and storage."""

ELSEWHERE: Mapping[str, str] = {
    "hardware.accelerator": "the catalog's row of hardware.gpu: facts for the checker, nothing that a job sets",
    **{f"zero.{name}": "the raw keys of target deepspeed, in its own file" for name in zero_setting_names()},
    **{
        f"megatron.{name}": "the raw keys of target megatron, in its own arguments" for name in megatron_setting_names()
    },
}

UNSUPPORTED: Mapping[str, str] = {}
"""A config tree can say everything."""
