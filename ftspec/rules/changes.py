"""A plan as it would be with other values written: what is not written follows as it does in the resolution."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ftspec.core.source import START, Place
from ftspec.plan.batch import solve_batch
from ftspec.plan.ledger import Ledger
from ftspec.plan.length import resolve_length
from ftspec.plan.megatron_settings import end_stages
from ftspec.plan.model import HardwarePlan, MethodPlan, OptimizerPlan, ParallelismPlan, Plan, TrainingPlan
from ftspec.plan.parallelism import resolve_parallelism
from ftspec.plan.precision import resolve_precision
from ftspec.plan.stages import lay_out_stages
from ftspec.spec.model import Offload, Parallelism, Precision, Training

Changes = Mapping[str, Any]
"""Values by spec path (`parallelism.tensor`), in the order in which they are told."""

_STORED_AT = {
    "parallelism.offload.optimizer": "parallelism.offload_optimizer",
    "parallelism.offload.parameters": "parallelism.offload_parameters",
}
_KIBI_FROM = 1024
_TAKEN_AS_THEY_ARE = ("method", "sequence_length", "activation_checkpointing", "attention", "loss")


def is_written(plan: Plan, path: str) -> bool:
    """Whether the plan's value at a path was written, in the spec or on the command line."""
    origin = plan.origins.get(path)
    return origin is not None and origin.kind == "given"


class _Written:
    """What a spec with the changes would say."""

    def __init__(self, plan: Plan, changes: Changes) -> None:
        self.plan, self.changes = plan, changes

    def get(self, path: str) -> Any:
        """The changed value of a spec path, else the written one, else None."""
        if path in self.changes:
            return self.changes[path]
        stored = _STORED_AT.get(path, path)
        if not is_written(self.plan, stored):
            return None
        block, _, name = stored.partition(".")
        return getattr(getattr(self.plan, block), name)

    def block(self, kind: type[Any], block: str, *but: str) -> dict[str, Any]:
        """The values of a block by field name."""
        return {each.name: self.get(f"{block}.{each.name}") for each in fields(kind) if each.name not in but}


def changed(plan: Plan, changes: Changes) -> Plan:
    """The plan that the spec would have if it said this too. Knows the stack, nodes, layout, precision and batch."""
    written = _Written(plan, changes)
    places = {path: plan.places.get(path) or Place(plan.path, START, START) for path in changes}
    ledger = Ledger({**plan.places, **places})
    ledger.origins.update(plan.origins)
    stack = written.get("training.stack") or plan.training.stack
    hardware = _hardware(plan, changes)
    layout = _layout(written, hardware, stack, ledger)
    optimizer = _optimizer(plan, changes)
    stored = Precision(**written.block(Precision, "precision"))
    precision = resolve_precision(stored, hardware.accelerator, stack, layout.zero_stage, optimizer.kind, ledger)
    return replace(
        plan,
        hardware=hardware,
        precision=precision,
        parallelism=layout,
        training=_training(written, stack, layout.data, ledger),
        stages=lay_out_stages(
            plan.model.shape.num_hidden_layers,
            layout.pipeline,
            layout.virtual_pipeline,
            *end_stages(stack, plan.megatron),
        ),
        origins=ledger.origins,
        places=ledger.places,
    )


def _hardware(plan: Plan, changes: Changes) -> HardwarePlan:
    hardware, nodes = plan.hardware, changes.get("hardware.nodes", plan.hardware.nodes)
    return replace(hardware, nodes=nodes, world_size=nodes * hardware.gpus_per_node)


def _optimizer(plan: Plan, changes: Changes) -> OptimizerPlan:
    optimizer: OptimizerPlan = changes.get("training.optimizer", plan.training.optimizer)
    return replace(optimizer, fused=changes.get("training.optimizer.fused", optimizer.fused))


def _layout(written: _Written, hardware: HardwarePlan, stack: Any, ledger: Ledger) -> ParallelismPlan:
    offload = Offload(**written.block(Offload, "parallelism.offload"))
    block = Parallelism(**written.block(Parallelism, "parallelism", "offload"), offload=offload)
    return resolve_parallelism(block, hardware.world_size, stack, ledger)


def _training(written: _Written, stack: Any, data: int, ledger: Ledger) -> TrainingPlan:
    before, changes = written.plan.training, written.changes
    batch = ("micro_batch_size", "global_batch_size", "gradient_accumulation_steps")
    said = Training(**{name: written.get(f"training.{name}") for name in (*batch, "tokens", "steps")})
    micro, total, steps = solve_batch(said, data, ledger)
    now = {name: changes.get(f"training.{name}", getattr(before, name)) for name in _TAKEN_AS_THEY_ARE}
    length, scheduler = (before.tokens, before.steps), before.scheduler
    if before.steps is not None:
        by_epochs = said.tokens is None and said.steps is None
        said = replace(said, tokens=before.tokens) if by_epochs else said
        length = resolve_length(said, total * now["sequence_length"], ledger)
        scheduler = replace(scheduler, total_steps=length[1]) if scheduler.total_steps == before.steps else scheduler
    return replace(
        before,
        **now,
        stack=stack,
        optimizer=_optimizer(written.plan, changes),
        micro_batch_size=micro,
        global_batch_size=total,
        gradient_accumulation_steps=steps,
        checkpoint_every_layers=1 if "training.activation_checkpointing" in changes else before.checkpoint_every_layers,
        tokens=length[0],
        steps=length[1],
        scheduler=scheduler,
    )


_DATA, _STEPS = "parallelism.data", "training.gradient_accumulation_steps"


def completed(plan: Plan, changes: Changes) -> Changes:
    """The changes with what is written already and has to change with them: `data`, and the accumulation."""
    own = {path: value for path, value in changes.items() if path not in (_DATA, _STEPS)}
    after = changed(plan, {**own, _DATA: None, _STEPS: None})
    micro, total = after.training.micro_batch_size, own.get("training.global_batch_size")
    if total is None and is_written(plan, "training.global_batch_size"):
        total = plan.training.global_batch_size
    data = after.parallelism.data
    if is_written(plan, _DATA) and data != plan.parallelism.data:
        own[_DATA] = data
    steps = max(1, total // (micro * data)) if total and is_written(plan, _STEPS) else None
    if steps and steps != plan.training.gradient_accumulation_steps:
        own[_STEPS] = steps
    return own


def written_out(changes: Changes) -> str:
    """The changes as a spec says them: `tensor = 8  sequence_parallel = true`."""
    said: list[str] = []
    offload = {path: value for path, value in changes.items() if path.startswith("parallelism.offload.")}
    for path, value in changes.items():
        if path not in offload:
            said.append(f"{_name(path)} = {_value(path, value)}")
        elif path == next(iter(offload)):
            inside = "  ".join(f"{_name(each)} = {device}" for each, device in offload.items())
            said.append(f"offload {{ {inside} }}")
    return "  ".join(said)


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _value(path: str, value: Any) -> str:
    if isinstance(value, MethodPlan):
        return f"{value.kind} {{ rank = {value.rank} }}"
    if isinstance(value, OptimizerPlan):
        return value.kind
    if isinstance(value, bool):
        return "true" if value else "false"
    if path == "training.sequence_length" and value % _KIBI_FROM == 0:
        return f"{value // _KIBI_FROM}Ki"
    return str(value)


def as_settings(plan: Plan, changes: Changes) -> tuple[str, ...]:
    """The changes as texts of `--set`: `parallelism.tensor=4`."""
    return tuple(f"{path}={_set_value(plan, path, value)}" for path, value in changes.items())


def _set_value(plan: Plan, path: str, value: Any) -> str:
    """`--set` replaces a choice with settings as a whole, so what was written of the optimizer is told again."""
    if not isinstance(value, OptimizerPlan):
        return _value(path, value)
    written = [each.name for each in fields(OptimizerPlan) if is_written(plan, f"{path}.{each.name}")]
    said = "  ".join(f"{name} = {_value(name, getattr(value, name))}" for name in written if name != "kind")
    return f"{value.kind} {{ {said} }}" if said else value.kind
