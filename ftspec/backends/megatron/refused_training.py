"""What Megatron cannot express about the training: method, optimizer, loss."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.backends.megatron.layout_arguments import shards_states
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

METHOD = declare(
    "FT600",
    Severity.ERROR,
    "Megatron trains every parameter",
    "pretrain_gpt.py has no adapters, no 4-bit base weights and no partial training; `lora`, `qlora` and `partial` "
    "have no argument there.",
    megatron_job(training=f"method = lora {{ rank = 16 }}  {LENGTH}"),
    megatron_job(training=f"method = full  {LENGTH}"),
)
OPTIMIZER = declare(
    "FT604",
    Severity.ERROR,
    "Megatron does not have this optimizer",
    "Megatron's --optimizer knows adam (which decouples the weight decay: it is AdamW), sgd, muon and lion.",
    megatron_job(training=f"optimizer = adafactor {{ }}  {LENGTH}"),
    megatron_job(training=f"optimizer = adamw {{ }}  {LENGTH}"),
)
UNFUSED = declare(
    "FT605",
    Severity.WARNING,
    "Megatron always takes the fused optimizer",
    "Megatron uses the fused optimizer of Transformer Engine or Apex where one is installed, whatever the spec says.",
    megatron_job(training=f"optimizer = adamw {{ fused = false }}  {LENGTH}"),
    megatron_job(training=f"optimizer = adamw {{ fused = true }}  {LENGTH}"),
)
LOSS = declare(
    "FT606",
    Severity.ERROR,
    "Megatron has no chunked loss",
    "Megatron computes the cross entropy of all logits at once, by default or in one fused kernel; it does not cut "
    "the sequence into chunks.",
    megatron_job(training=f"loss = chunked  {LENGTH}"),
    megatron_job(training=f"loss = fused  {LENGTH}"),
)
EMERGING = declare(
    "FT630",
    Severity.ERROR,
    "Megatron's muon and lion do not run in fp16",
    "megatron/core/optimizer/__init__.py refuses them with fp16: they come from the emerging-optimizers package, "
    "which has no loss scaling.",
    megatron_job(precision="compute = fp16", training=f"optimizer = lion {{ }}  {LENGTH}"),
    megatron_job(precision="compute = bf16", training=f"optimizer = lion {{ }}  {LENGTH}"),
)
PACKAGE = declare(
    "FT631",
    Severity.NOTE,
    "the optimizer needs a package beside Megatron",
    "Megatron takes muon and lion from the emerging-optimizers package and does not start without it.",
    megatron_job(training=f"optimizer = lion {{ }}  {LENGTH}"),
    megatron_job(training=f"optimizer = adamw {{ }}  {LENGTH}"),
)
LAYER_WISE = declare(
    "FT632",
    Severity.NOTE,
    "muon and lion are sharded by whole layers",
    "validate_args turns use_distributed_optimizer off for muon and lion and use_layer_wise_distributed_optimizer on: "
    "each data-parallel GPU keeps the states of whole parameters, as muon needs the whole matrix.",
    megatron_job(training=f"optimizer = muon {{ }}  {LENGTH}", parallelism="zero_stage = 1"),
    megatron_job(training=f"optimizer = adamw {{ }}  {LENGTH}", parallelism="zero_stage = 1"),
)
_OPTIMIZER = "training.optimizer"
_INSTEAD = {
    "adafactor": "adamw; to save memory, zero_stage = 1 shards its states over the data-parallel GPUs",
    "adamw_8bit": "adamw with precision { optimizer_states = bf16 } and zero_stage = 1",
}


def method_is_full(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Only full training."""
    method = plan.training.method.kind
    if method != "full":
        span = blame(plan, target, "training.method")
        yield METHOD.finding(
            f"training.method = {method} has no argument in Megatron: pretrain_gpt.py trains every parameter",
            span,
            "write method = full, or take target deepspeed or stack fsdp2 for this method",
        )


def optimizer_is_known(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """The kind of optimizer, its weight decay and its kernel."""
    optimizer = plan.training.optimizer
    span = blame(plan, target, _OPTIMIZER)
    if optimizer.kind in _INSTEAD:
        yield OPTIMIZER.finding(
            f"training.optimizer = {optimizer.kind} does not exist in Megatron",
            span,
            f"write {_INSTEAD[optimizer.kind]}",
        )
    if optimizer.kind == "adam" and optimizer.weight_decay:
        yield OPTIMIZER.finding(
            f"training.optimizer = adam with weight_decay = {optimizer.weight_decay:g} does not exist in Megatron: "
            "its adam decouples "
            "the weight decay, as adamw does",
            blame(plan, target, f"{_OPTIMIZER}.weight_decay", _OPTIMIZER),
            "write optimizer = adamw, or weight_decay = 0",
        )
    if not optimizer.fused:
        yield UNFUSED.finding(
            "training.optimizer.fused = false has no argument in Megatron, which takes the fused optimizer that it "
            "finds",
            blame(plan, target, f"{_OPTIMIZER}.fused", _OPTIMIZER),
            "leave fused out",
        )


def emerging_optimizers(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """muon and lion: their package, how they are sharded, and no fp16."""
    kind = plan.training.optimizer.kind
    if kind not in ("muon", "lion"):
        return
    span = blame(plan, target, _OPTIMIZER)
    if plan.precision.parameters == "fp16":
        yield EMERGING.finding(
            f"Megatron refuses {kind} in fp16",
            blame(plan, target, "precision.compute", _OPTIMIZER),
            "write compute = bf16, or optimizer = adamw",
        )
    if shards_states(plan):
        yield LAYER_WISE.finding(
            f"{kind} with zero_stage = 1: Megatron gives each GPU the states of whole layers, not an equal share of "
            "each, so that one GPU may hold more than the estimate says",
            blame(plan, target, "parallelism.zero_stage", "parallelism.distributed_optimizer", _OPTIMIZER),
            "leave memory free for it, or write optimizer = adamw, whose states are divided evenly",
        )
    yield PACKAGE.finding(
        f"{kind} needs the emerging-optimizers package beside Megatron",
        span,
        "install emerging-optimizers in the training image",
    )


def loss_is_known(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Standard or fused."""
    if plan.training.loss == "chunked":
        yield LOSS.finding(
            "training.loss = chunked has no argument in Megatron",
            blame(plan, target, "training.loss"),
            "write loss = fused; tensor parallelism divides the logits over its GPUs too",
        )
