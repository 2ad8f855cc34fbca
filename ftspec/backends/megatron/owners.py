"""Which spec field says what a Megatron flag says, so that a raw flag never contradicts the plan in silence."""

from collections.abc import Mapping

_MODEL = {
    "num-layers": "num_hidden_layers",
    "encoder-num-layers": "num_hidden_layers",
    "decoder-num-layers": "num_hidden_layers",
    "hidden-size": "hidden_size",
    "ffn-hidden-size": "intermediate_size",
    "num-attention-heads": "num_attention_heads",
    "group-query-attention": "num_key_value_heads",
    "num-query-groups": "num_key_value_heads",
    "kv-channels": "head_dim",
    "max-position-embeddings": "max_position_embeddings",
    "vocab-size": "vocab_size",
    "padded-vocab-size": "vocab_size",
    "untie-embeddings-and-output-weights": "tie_word_embeddings",
    "swiglu": "mlp",
    "squared-relu": "mlp",
    "quick-geglu": "mlp",
    "num-experts": "moe.num_experts",
    "moe-router-topk": "moe.num_experts_per_tok",
    "moe-ffn-hidden-size": "moe.moe_intermediate_size",
    "moe-shared-expert-intermediate-size": "moe.num_shared_experts",
    "moe-layer-freq": "moe.first_k_dense_replace",
    "multi-latent-attention": "mla",
    "q-lora-rank": "mla.q_lora_rank",
    "kv-lora-rank": "mla.kv_lora_rank",
    "qk-head-dim": "mla.qk_nope_head_dim",
    "qk-pos-emb-head-dim": "mla.qk_rope_head_dim",
    "v-head-dim": "mla.v_head_dim",
    "normalization": "from",
    "disable-bias-linear": "from",
    "add-qkv-bias": "from",
    "qk-layernorm": "from",
    "qk-l2-norm": "from",
    "softmax-type": "from",
    "window-size": "from",
    "window-attn-skip-freq": "from",
    "attention-output-gate": "from",
    "moe-shared-expert-gate": "from",
    "moe-latent-size": "from",
    "position-embedding-type": "from",
    "use-rotary-position-embeddings": "from",
    "no-position-embedding": "from",
    "hybrid-layer-pattern": "from",
    "hybrid-override-pattern": "from",
    "heterogeneous-layers-config-path": "from",
    "heterogeneous-layers-config-encoded-json": "from",
}
_TRAINING = {
    "micro-batch-size": "micro_batch_size",
    "global-batch-size": "global_batch_size",
    "rampup-batch-size": "global_batch_size",
    "step-batch-size-schedule": "global_batch_size",
    "decrease-batch-size-if-needed": "global_batch_size",
    "seq-length": "sequence_length",
    "encoder-seq-length": "sequence_length",
    "decoder-seq-length": "sequence_length",
    "recompute-granularity": "activation_checkpointing",
    "recompute-num-layers": "activation_checkpointing",
    "recompute-activations": "activation_checkpointing",
    "attention-backend": "attention",
    "use-flash-attn": "attention",
    "cross-entropy-loss-fusion": "loss",
    "cross-entropy-fusion-impl": "loss",
    "optimizer": "optimizer",
    "lr": "optimizer.learning_rate",
    "weight-decay": "optimizer.weight_decay",
    "adam-beta1": "optimizer.beta1",
    "adam-beta2": "optimizer.beta2",
    "adam-eps": "optimizer.epsilon",
    "sgd-momentum": "optimizer.momentum",
    "muon-momentum": "optimizer.momentum",
    "lion-beta1": "optimizer.beta1",
    "lion-beta2": "optimizer.beta2",
    "clip-grad": "gradient_clipping",
    "lr-decay-style": "learning_rate_scheduler",
    "lr-warmup-iters": "learning_rate_scheduler.warmup_steps",
    "lr-warmup-samples": "learning_rate_scheduler.warmup_steps",
    "lr-warmup-fraction": "learning_rate_scheduler.warmup_steps",
    "lr-decay-iters": "learning_rate_scheduler.total_steps",
    "lr-decay-samples": "learning_rate_scheduler.total_steps",
    "min-lr": "learning_rate_scheduler.minimum_learning_rate",
    "train-iters": "steps",
    "train-samples": "steps",
    "seed": "seed",
    "freeze-all-layers": "method",
}
_PARALLELISM = {
    "tensor-model-parallel-size": "tensor",
    "pipeline-model-parallel-size": "pipeline",
    "num-layers-per-virtual-pipeline-stage": "virtual_pipeline",
    "num-virtual-stages-per-pipeline-rank": "virtual_pipeline",
    "pipeline-model-parallel-layout": "pipeline",
    "account-for-embedding-in-pipeline-split": "pipeline",
    "account-for-loss-in-pipeline-split": "pipeline",
    "context-parallel-size": "context",
    "expert-model-parallel-size": "expert",
    "expert-tensor-parallel-size": "expert_tensor",
    "sequence-parallel": "sequence_parallel",
    "use-distributed-optimizer": "zero_stage",
    "use-megatron-fsdp": "zero_stage",
    "use-torch-fsdp2": "zero_stage",
    "optimizer-cpu-offload": "offload.optimizer",
}
_PRECISION = {
    "bf16": "parameters",
    "fp16": "parameters",
    "fp8-format": "compute",
    "fp4-format": "compute",
    "accumulate-allreduce-grads-in-fp32": "gradients",
    "grad-reduce-in-bf16": "gradients",
    "main-grads-dtype": "gradients",
    "main-params-dtype": "master_parameters",
    "exp-avg-dtype": "optimizer_states",
    "exp-avg-sq-dtype": "optimizer_states",
    "use-precision-aware-optimizer": "optimizer_states",
}

SPEC_FIELDS: Mapping[str, str] = {
    **{flag: f"model.{field}" for flag, field in _MODEL.items()},
    **{flag: f"training.{field}" for flag, field in _TRAINING.items()},
    **{flag: f"parallelism.{field}" for flag, field in _PARALLELISM.items()},
    **{flag: f"precision.{field}" for flag, field in _PRECISION.items()},
    "make-vocab-size-divisible-by": "target megatron { make_vocab_size_divisible_by }",
}
"""Flag → the spec field to write instead."""

VARIANTS: Mapping[str, tuple[str, ...]] = {"position-embedding-type": ("yarn", "mrope")}
"""Values that refine what the plan says without changing a parameter: both are rotary."""

ROUTER = frozenset({
    "moe-router-score-function", "moe-router-pre-softmax", "moe-router-enable-expert-bias", "moe-router-num-groups",
    "moe-router-group-topk", "moe-router-topk-scaling-factor",
})  # fmt: skip
"""Flags that say how experts are chosen. A model with a name or a config.json says it; a shape stated in the spec has
no fields for it, so that raw flags may."""

REFINED = frozenset({
    "norm-epsilon", "rotary-base", "rotary-percent", "use-rope-scaling", "rope-scaling-factor", "rotary-scaling-factor",
    "rotary-seq-len-interpolation-factor", "mscale", "mscale-all-dim", "yarn-original-max-position-embeddings",
    "yarn-beta-fast", "yarn-beta-slow", "no-yarn-correction-range-round-to-int",
})  # fmt: skip
"""Flags that the model says where its row knows them, and that a raw flag may replace: no spec field says them."""

SETTINGS = frozenset({"recompute-method"})
"""Flags with a value of ours that a raw flag may replace, and the plan knows (`ftspec/plan/megatron_settings.json`)."""

RETIRED: Mapping[str, tuple[bool, str]] = {
    "batch-size": (True, "training.global_batch_size"),
    "warmup": (True, "training.learning_rate_scheduler.warmup_steps"),
    "model-parallel-size": (True, "parallelism.tensor"),
    "checkpoint-activations": (True, "training.activation_checkpointing"),
    "use-mcore-models": (False, "nothing: they are the default"),
    "use-dist-ckpt": (False, "ckpt_format"),
    "dist-ckpt-format": (False, "ckpt_format"),
    "ckpt-fully-parallel-save": (False, "nothing: it is the default"),
    "no-weight-decay-cond-type": (False, "apply_wd_to_qk_layernorm"),
    "enable-cuda-graph": (False, "cuda_graph_impl = local"),
    "external-cuda-graph": (False, "cuda_graph_impl = transformer_engine"),
    "cuda-graph-scope": (False, "cuda_graph_modules"),
    "moe-router-padding-for-fp8": (False, "moe_router_padding_for_quantization"),
    "moe-layer-recompute": (False, "recompute_modules"),
    "moe-enable-deepep": (False, "moe_flex_dispatcher_backend = deepep"),
    "moe-deepep-num-sms": (False, "moe_flex_dispatcher_num_sms"),
    "moe-hybridep-num-sms": (False, "moe_flex_dispatcher_num_sms"),
    "disable-msc": (False, "nothing: it is the default"),
    "mtp-hybrid-override-pattern": (False, "mtp_num_layers"),
}
"""Flag → whether Megatron refuses it outright (else it warns), and what to write instead."""
