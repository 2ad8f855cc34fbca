"""Flags that validate_args or a config class accepts only with others, or drops in silence without them.

A condition is `flag` (present) or `flag=value`; `a|b` is met by either.
Source: the assertions of `validate_args` (megatron/training/arguments.py) and of TransformerConfig.
"""

from collections.abc import Mapping

NEEDS: Mapping[str, tuple[str, ...]] = {
    "save": ("save-interval",),
    "ckpt-convert-format": ("ckpt-convert-save", "load"),
    "use-checkpoint-args": ("load|pretrained-checkpoint",),
    "load-main-params-from-ckpt": ("no-load-optim",),
    "async-save": ("use-persistent-ckpt-worker",),
    "non-persistent-ckpt-type=local": ("non-persistent-local-ckpt-dir",),
    "replication": ("replication-jump", "non-persistent-ckpt-type=local"),
    "logits-save-dir": ("logits-save-top-k", "async-save", "use-persistent-ckpt-worker"),
    "moe-use-upcycling": ("save",),
    "tp-comm-overlap": ("sequence-parallel",),
    "fp16-lm-cross-entropy": ("fp16",),
    "fp32-residual-connection": ("bf16|fp16",),
    "fp8-param-gather": ("use-distributed-optimizer", "fp8-format"),
    "moe-router-padding-for-quantization": ("fp8-format",),
    "overlap-param-gather": ("use-distributed-optimizer", "overlap-grad-reduce"),
    "overlap-param-gather-with-optimizer-step": (
        "overlap-param-gather",
        "num-layers-per-virtual-pipeline-stage|pipeline-model-parallel-layout",
        "ckpt-format=torch",
    ),
    "distribute-saved-activations": ("recompute-granularity=full",),
    "mla-down-proj-fusion": ("multi-latent-attention",),
    "weight-decay-incr-style=linear": ("start-weight-decay", "end-weight-decay"),
    "weight-decay-incr-style=cosine": ("start-weight-decay", "end-weight-decay"),
    "mtp-num-layers": ("position-embedding-type=rope|position-embedding-type=none",),
    "delay-wgrad-compute": ("overlap-moe-expert-parallel-comm",),
    "overlap-moe-expert-parallel-comm": ("num-experts",),
    "moe-router-group-topk": ("moe-router-num-groups",),
    "moe-router-enable-expert-bias": ("moe-router-score-function=sigmoid|moe-router-score-function=sqrtsoftplus",),
    "moe-pad-expert-input-to-capacity": ("moe-expert-capacity-factor",),
    "cuda-graph-impl=full_iteration": ("no-check-for-nan-in-loss-and-grad",),
    "hybrid-context-parallel": ("calculate-per-token-loss",),
    "cp-comm-type=a2a+p2p": ("hierarchical-context-parallel-sizes",),
    "position-embedding-type=mrope": ("mrope-section",),
    "ckpt-format=torch_dcp": ("use-torch-fsdp2",),
    "ckpt-format=fsdp_dtensor": ("use-megatron-fsdp",),
}
"""Condition → conditions that must hold with it."""

EXCLUDES: tuple[tuple[str, str], ...] = (
    ("data-path", "mock-data"),
    ("data-path", "data-args-path"),
    ("data-path", "train-data-path"),
    ("mock-data", "train-data-path"),
    ("train-data-path", "per-split-data-args-path"),
    ("fim-data", "mock-data"),
    ("finetune", "override-ckpt-iteration"),
    ("distribute-saved-activations", "sequence-parallel"),
    ("overlap-moe-expert-parallel-comm", "recompute-granularity=full"),
    ("overlap-moe-expert-parallel-comm", "moe-shared-expert-overlap"),
    ("cpu-offloading-num-layers", "recompute-granularity"),
    ("cuda-graph-impl=local", "recompute-granularity=full"),
    ("cuda-graph-impl=transformer_engine", "recompute-granularity=full"),
    ("enable-cuda-graph", "recompute-granularity=full"),
    ("external-cuda-graph", "recompute-granularity=full"),
    ("cross-entropy-fusion-impl=te", "cross-entropy-loss-fusion"),
    ("save-params-interval", "overlap-param-gather"),
    ("squared-relu", "swiglu"),
)
"""Pairs of conditions that must not hold together."""
