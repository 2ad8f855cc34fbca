"""Where each plan path goes: into which flags, elsewhere, or nowhere."""

from collections.abc import Mapping

from ftspec.plan.megatron_settings import megatron_setting_names, setting_flag
from ftspec.plan.zero_settings import zero_setting_names

_OPTIMIZER = "training.optimizer"
_SCHEDULER = "training.scheduler"
_NOT_AN_ARGUMENT = "checked and estimated by ftspec; not an argument of the training script"
_STORAGE = "storage is mounted and paid for outside the training script"
_METHOD = "pretrain_gpt.py trains every parameter; another method is refused"

MAPPED: Mapping[str, str] = {
    "model.shape": (
        "num-layers, hidden-size, ffn-hidden-size, num-attention-heads, group-query-attention, num-query-groups, "
        "kv-channels, qk-layernorm, softmax-type, attention-output-gate, max-position-embeddings, "
        "position-embedding-type, rotary-base, rotary-percent, use-rope-scaling, rope-scaling-factor, "
        "rotary-seq-len-interpolation-factor, rotary-scaling-factor, mscale, mscale-all-dim, "
        "yarn-original-max-position-embeddings, yarn-beta-fast, yarn-beta-slow, no-yarn-correction-range-round-to-int, "
        "normalization, norm-epsilon, swiglu, squared-relu, window-size, window-attn-skip-freq, "
        "untie-embeddings-and-output-weights, disable-bias-linear, "
        "add-qkv-bias, vocab-size, padded-vocab-size, multi-latent-attention, q-lora-rank, kv-lora-rank, qk-head-dim, "
        "qk-pos-emb-head-dim, v-head-dim, num-experts, moe-router-topk, moe-ffn-hidden-size, moe-layer-freq, "
        "moe-shared-expert-intermediate-size, moe-shared-expert-gate, moe-latent-size, moe-router-score-function, "
        "moe-router-pre-softmax, moe-router-enable-expert-bias, moe-router-num-groups, moe-router-group-topk, "
        "moe-router-topk-scaling-factor"
    ),
    "hardware.nodes": "train.sh: NNODES",
    "hardware.gpus_per_node": "train.sh: NPROC_PER_NODE",
    "hardware.world_size": "train.sh: NNODES, NPROC_PER_NODE",
    "precision.compute": "fp8-format",
    "precision.parameters": "bf16, fp16",
    "precision.master_parameters": "bf16, fp16",
    "precision.gradients": "accumulate-allreduce-grads-in-fp32, grad-reduce-in-bf16",
    "precision.optimizer_states": "use-precision-aware-optimizer, exp-avg-dtype, exp-avg-sq-dtype",
    "training.sequence_length": "seq-length",
    "training.micro_batch_size": "micro-batch-size",
    "training.global_batch_size": "global-batch-size",
    "training.gradient_accumulation_steps": "global-batch-size",
    "training.activation_checkpointing": "recompute-granularity, recompute-method",
    "training.checkpoint_every_layers": "recompute-num-layers",
    "training.attention": "attention-backend",
    "training.loss": "cross-entropy-loss-fusion, cross-entropy-fusion-impl",
    f"{_OPTIMIZER}.kind": "optimizer",
    f"{_OPTIMIZER}.learning_rate": "lr",
    f"{_OPTIMIZER}.weight_decay": "weight-decay",
    f"{_OPTIMIZER}.beta1": "adam-beta1, lion-beta1",
    f"{_OPTIMIZER}.beta2": "adam-beta2, lion-beta2",
    f"{_OPTIMIZER}.epsilon": "adam-eps",
    f"{_OPTIMIZER}.momentum": "sgd-momentum, muon-momentum",
    f"{_SCHEDULER}.kind": "lr-decay-style",
    f"{_SCHEDULER}.warmup_steps": "lr-warmup-iters",
    f"{_SCHEDULER}.total_steps": "lr-decay-iters",
    f"{_SCHEDULER}.minimum_learning_rate": "min-lr",
    "training.gradient_clipping": "clip-grad",
    "training.steps": "train-iters",
    "training.seed": "seed",
    "parallelism.tensor": "tensor-model-parallel-size",
    "parallelism.pipeline": "pipeline-model-parallel-size, pipeline-model-parallel-layout",
    "parallelism.virtual_pipeline": "num-layers-per-virtual-pipeline-stage, num-virtual-stages-per-pipeline-rank",
    "parallelism.schedule": "num-layers-per-virtual-pipeline-stage",
    "parallelism.data": "train.sh: NNODES, NPROC_PER_NODE",
    "parallelism.context": "context-parallel-size",
    "parallelism.expert": "expert-model-parallel-size",
    "parallelism.expert_tensor": "expert-tensor-parallel-size",
    "parallelism.zero_stage": "use-distributed-optimizer",
    "parallelism.distributed_optimizer": "use-distributed-optimizer",
    "parallelism.sequence_parallel": "sequence-parallel",
    "parallelism.offload_optimizer": "optimizer-cpu-offload, use-precision-aware-optimizer",
    **{f"megatron.{name}": setting_flag(name) for name in megatron_setting_names()},
}
"""Plan path → the flags that carry it."""

ELSEWHERE: Mapping[str, str] = {
    "name": "names the job in train.sh",
    "model.id": "the shape says what the name means",
    "model.parameters": "follows from the shape",
    "hardware.gpu": _NOT_AN_ARGUMENT,
    "hardware.accelerator": _NOT_AN_ARGUMENT,
    "hardware.gpu_memory_bytes": _NOT_AN_ARGUMENT,
    "hardware.usable_memory_bytes": _NOT_AN_ARGUMENT,
    "hardware.network": _NOT_AN_ARGUMENT,
    "hardware.host_memory_bytes": _NOT_AN_ARGUMENT,
    "hardware.price_per_gpu_hour": _NOT_AN_ARGUMENT,
    "training.stack": "choosing this target says it",
    "training.method.kind": _METHOD,
    "training.tokens": "turned into steps",
    "storage.kind": _STORAGE,
    "storage.read_bandwidth": _STORAGE,
    "storage.write_bandwidth": _STORAGE,
    "storage.checkpoint_every_seconds": "Megatron saves every so many steps: raw { save_interval }",
    **{f"zero.{name}": "DeepSpeed's own file, where DeepSpeed runs beside Megatron" for name in zero_setting_names()},
}
"""Plan path → who carries it instead."""

_METHOD_FIELDS = (
    "rank", "alpha", "dropout", "targets", "adapter_dtype", "quantization", "double_quantization",
    "last_layers", "embeddings", "head",
)  # fmt: skip

UNSUPPORTED: Mapping[str, str] = {
    **{
        f"training.method.{field}": "pretrain_gpt.py has no adapters and no partial training"
        for field in _METHOD_FIELDS
    },
    "training.optimizer.fused": "Megatron always takes the fused optimizer that it finds",
    "training.optimizer.paged": "Megatron has no 8-bit optimizer",
    "parallelism.offload_parameters": "Megatron does not offload parameters",
}
"""Plan path → why Megatron cannot say it."""
