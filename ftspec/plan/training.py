"""Training: method, optimizer, schedule and what the step computes, every default filled in."""

from ftspec.catalog.hardware import Accelerator
from ftspec.catalog.shape import ModelShape
from ftspec.plan.batch import solve_batch
from ftspec.plan.ledger import Ledger
from ftspec.plan.length import resolve_length
from ftspec.plan.model import MethodPlan, OptimizerPlan, SchedulerPlan, Stack, TrainingPlan
from ftspec.spec.kinds import Auto
from ftspec.spec.methods import Full, Lora, Partial, Qlora
from ftspec.spec.model import Checkpointing, Scheduler, Training
from ftspec.spec.optimizers import OptimizerChoice

_METHOD = "training.method"
_UNUSED_BY_METHOD = "the method has none"


def _adapters(written: Lora | Qlora, ledger: Ledger) -> MethodPlan:
    rank = ledger.take(f"{_METHOD}.rank", written.rank, 16, "the usual rank")
    targets = ("all_linear",) if written.targets is None else written.targets
    ledger.take(f"{_METHOD}.targets", written.targets, None, "all_linear, as in the QLoRA paper")
    quantized = isinstance(written, Qlora)
    return MethodPlan(
        kind="qlora" if quantized else "lora",
        rank=rank,
        alpha=ledger.take(f"{_METHOD}.alpha", written.alpha, 2.0 * rank, "2 × rank"),
        dropout=ledger.take(f"{_METHOD}.dropout", written.dropout, 0.0, "no dropout"),
        targets=(targets,) if isinstance(targets, str) else targets,
        adapter_dtype=ledger.take(
            f"{_METHOD}.adapter_dtype", written.adapter_dtype, "fp32", "adapters are held in fp32"
        ),
        quantization=ledger.take(f"{_METHOD}.quantization", written.quantization, "nf4", "nf4 suits normal weights")
        if isinstance(written, Qlora)
        else "none",
        double_quantization=ledger.take(
            f"{_METHOD}.double_quantization", written.double_quantization, True, "the scales are quantized too"
        )
        if isinstance(written, Qlora)
        else False,
    )


def _resolve_method(written: Full | Lora | Qlora | Partial | None, ledger: Ledger) -> MethodPlan:
    for name in (
        "rank",
        "alpha",
        "dropout",
        "targets",
        "adapter_dtype",
        "quantization",
        "double_quantization",
        "last_layers",
        "embeddings",
        "head",
    ):
        ledger.take(f"{_METHOD}.{name}", None, None, _UNUSED_BY_METHOD)
    ledger.take(f"{_METHOD}.kind", written, None, "every parameter is trained", _METHOD)
    if isinstance(written, Lora | Qlora):
        return _adapters(written, ledger)
    if isinstance(written, Partial):
        return MethodPlan(
            kind="partial",
            last_layers=ledger.take(f"{_METHOD}.last_layers", written.last_layers, 1, "the last layer"),
            embeddings=ledger.take(f"{_METHOD}.embeddings", written.embeddings, False, "the embedding stays frozen"),
            head=ledger.take(f"{_METHOD}.head", written.head, False, "the head stays frozen"),
        )
    return MethodPlan(kind="full")


_DECAYING = frozenset({"adamw", "adamw_8bit", "lion"})
_MOMENTUM = {"muon": 0.95}


def _resolve_optimizer(written: OptimizerChoice | None, ledger: Ledger) -> OptimizerPlan:
    path = "training.optimizer"
    chosen = written or OptimizerChoice()
    kind = chosen.kind
    ledger.take(f"{path}.kind", written, None, "adamw", path)
    beta2 = 0.99 if kind == "lion" else 0.999
    return OptimizerPlan(
        kind=kind,
        learning_rate=ledger.take(
            f"{path}.learning_rate", chosen.learning_rate, 1e-5, "a cautious rate for fine-tuning"
        ),
        weight_decay=ledger.take(
            f"{path}.weight_decay", chosen.weight_decay, 0.01 if kind in _DECAYING else 0.0, f"{kind}'s usual decay"
        ),
        beta1=ledger.take(f"{path}.beta1", chosen.beta1, 0.9, f"{kind}'s usual decay of the first moment"),
        beta2=ledger.take(f"{path}.beta2", chosen.beta2, beta2, f"{kind}'s usual decay of the second moment"),
        epsilon=ledger.take(f"{path}.epsilon", chosen.epsilon, 1e-8, "the usual epsilon"),
        momentum=ledger.take(f"{path}.momentum", chosen.momentum, _MOMENTUM.get(kind, 0.0), f"{kind}'s usual momentum"),
        fused=ledger.take(f"{path}.fused", chosen.fused, True, "one kernel for all parameters"),
        paged=ledger.take(f"{path}.paged", chosen.paged, False, "moments stay on the GPU"),
    )


def _resolve_scheduler(written: Scheduler | None, steps: int | None, ledger: Ledger) -> SchedulerPlan:
    path, name = "training.scheduler", "training.learning_rate_scheduler"
    chosen = written or Scheduler()
    ledger.take(f"{path}.kind", written, None, "a constant rate", name)
    total = chosen.total_steps
    if total is None and steps is not None:
        total = ledger.derive(f"{path}.total_steps", steps, "the job's steps")
    else:
        ledger.take(f"{path}.total_steps", total, None, "the job's length is open", f"{name}.total_steps")
    return SchedulerPlan(
        kind=chosen.kind,
        warmup_steps=ledger.take(f"{path}.warmup_steps", chosen.warmup_steps, 0, "no warm-up", f"{name}.warmup_steps"),
        total_steps=total,
        minimum_learning_rate=ledger.take(
            f"{path}.minimum_learning_rate",
            chosen.minimum_learning_rate,
            0.0,
            "down to zero",
            f"{name}.minimum_learning_rate",
        ),
    )


def _resolve_checkpointing(written: Checkpointing | Auto | None, ledger: Ledger) -> Checkpointing:
    path = "training.activation_checkpointing"
    chosen = ledger.take(path, written, Checkpointing(), "all activations are kept")
    every = ledger.take("training.checkpoint_every_layers", chosen.every, 1, "each layer is a group", f"{path}.every")
    return Checkpointing(chosen.kind, every)


def _sequence_length(written: int | None, shape: ModelShape, ledger: Ledger) -> int:
    path = "training.sequence_length"
    if written is None and shape.max_position_embeddings < 4096:
        return ledger.derive(path, shape.max_position_embeddings, "the model's longest sequence")
    return ledger.take(path, written, 4096, "4Ki tokens")


def resolve_training(
    written: Training, stack: Stack, shape: ModelShape, accelerator: Accelerator, data_parallel: int, ledger: Ledger
) -> TrainingPlan:
    """Training with nothing open. `data_parallel` is the degree that the batch is divided over."""
    if written.stack is None:
        ledger.derive("training.stack", stack, "follows the targets")
    else:
        ledger.given("training.stack", "training.stack")
    method = _resolve_method(written.method, ledger)
    sequence_length = _sequence_length(written.sequence_length, shape, ledger)
    micro, total, accumulation = solve_batch(written, data_parallel, ledger)
    checkpointing = _resolve_checkpointing(written.activation_checkpointing, ledger)
    tokens, steps = resolve_length(written, total * sequence_length, ledger)
    flash = accelerator.supports_flash_attention
    return TrainingPlan(
        stack=stack,
        method=method,
        sequence_length=sequence_length,
        micro_batch_size=micro,
        global_batch_size=total,
        gradient_accumulation_steps=accumulation,
        activation_checkpointing=checkpointing.kind,
        checkpoint_every_layers=checkpointing.every or 1,
        attention=ledger.take(
            "training.attention", written.attention, "flash" if flash else "sdpa", f"what {accelerator.id} has"
        ),
        loss=ledger.take("training.loss", written.loss, "standard", "logits of a whole micro-batch"),
        optimizer=_resolve_optimizer(written.optimizer, ledger),
        scheduler=_resolve_scheduler(written.learning_rate_scheduler, steps, ledger),
        gradient_clipping=ledger.take("training.gradient_clipping", written.gradient_clipping, 1.0, "the usual norm"),
        tokens=tokens,
        steps=steps,
        seed=ledger.take("training.seed", written.seed, 1234, "Megatron's default seed"),
    )
