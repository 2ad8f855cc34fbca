"""Plans to estimate, built from typed specs, without a text."""

from dataclasses import replace
from math import prod
from typing import Any

from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.parameters import count_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.memory.estimate import sections_of
from ftspec.memory.kinds import kinds_of
from ftspec.memory.states import States, stage_states
from ftspec.memory.step.frame import Frame, keeps_gradients, shared_by_stages
from ftspec.plan.model import Plan, Stack
from ftspec.plan.resolve import resolve
from ftspec.plan.stages import lay_out_stages
from ftspec.spec.document import Document
from ftspec.spec.methods import Full, Lora, LoraTargets, Partial, Qlora
from ftspec.spec.model import Checkpointing, Hardware, Model, Parallelism, Precision, Spec, Training

CATALOG_IDS = {
    "llama-3.2-1b": "meta-llama/Llama-3.2-1B",
    "llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B",
    "llama-3.1-70b": "meta-llama/Llama-3.1-70B",
    "qwen2.5-7b": "Qwen/Qwen2.5-7B",
    "mistral-7b": "mistralai/Mistral-7B-v0.3",
    "qwen3-8b": "Qwen/Qwen3-8B",
    "gpt2-xl": "openai-community/gpt2-xl",
}
"""The catalog's ids of the models in measured rows."""

LLAMA_8B = Model(from_="meta-llama/Llama-3.1-8B")


def plan_of(stack: Stack = "ddp", *, model: Model = LLAMA_8B, gpus: int = 1, **blocks: Any) -> Plan:
    """The plan of a typed spec on H100s; `blocks` are `precision`, `training` and `parallelism`."""
    hardware = Hardware(gpu="H100-SXM5-80GB", nodes=max(1, gpus // 8), gpus_per_node=min(gpus, 8))
    spec = Spec(name="job", model=model, hardware=hardware, **blocks)
    plan, findings = resolve(Document("job.ft", spec, {}, (), (), (), ()), stack)
    assert plan is not None, findings
    return plan


def with_shape(plan: Plan, shape: ModelShape) -> Plan:
    """The plan for another model shape."""
    layout = plan.parallelism
    return replace(
        plan,
        model=replace(plan.model, shape=shape, parameters=count_parameters(shape)),
        stages=lay_out_stages(shape.num_hidden_layers, layout.pipeline, layout.virtual_pipeline),
    )


def states_of(plan: Plan) -> list[States]:
    """The states of each stage, from the first."""
    kinds = kinds_of(plan)
    found = {
        number: stage_states(plan, kinds, section)
        for section, numbers in sections_of(plan, kinds)
        for number in numbers
    }
    return [states for _, states in sorted(found.items())]


def frames_of(plan: Plan) -> list[Frame]:
    """The frames of the stages that differ in more than their place."""
    kinds = kinds_of(plan)
    shared = shared_by_stages(plan, kinds, keeps_gradients(plan))
    return [Frame(shared, section) for section, _ in sections_of(plan, kinds)]


def _method(row: dict[str, Any]) -> Full | Lora | Qlora | Partial:
    kind = row.get("method", "full")
    if kind == "last":
        return Partial(last_layers=1)
    if kind == "partial":
        return Partial(row["last_layers"], embeddings=row.get("embeddings", False), head=row.get("head", False))
    if kind == "full":
        return Full()
    named = {"attention": "attention", "all": "all_linear", "all_linear": "all_linear"}
    targets: LoraTargets = named.get(row["lora_targets"], tuple(row["lora_targets"].split(",")))
    if kind == "lora":
        return Lora(rank=row["lora_rank"], targets=targets, adapter_dtype="fp32")
    double = row.get("double_quantization", False)
    return Qlora(rank=row["lora_rank"], targets=targets, adapter_dtype="fp32", double_quantization=double)


def _model(row: dict[str, Any]) -> Model:
    """Learned positions are as many as the sequence needs; a vocabulary of another size where the row has one."""
    identifier = CATALOG_IDS.get(row["model"], row["model"])
    vocabulary = row.get("vocab_size") or None
    model = Model(from_=identifier, num_hidden_layers=row["num_hidden_layers"], vocab_size=vocabulary)
    if row["model"] == "gpt2-xl":
        return replace(model, max_position_embeddings=16384)
    found = find_model(identifier)
    assert isinstance(found, ModelRow), identifier
    if found.shape.position != "learned":
        return model
    positions = max(found.shape.max_position_embeddings, row["sequence_length"])
    return replace(model, max_position_embeddings=positions)


def measured_plan(row: dict[str, Any]) -> Plan:
    """The plan that a row of exact traces was made for: one device, FSDP2 over `world_size` of them, or a rank of a
    layout.
    """
    layout = {degree: row[degree] for degree in ("data", "tensor", "pipeline") if degree in row}
    ranks = row.get("world_size", prod(layout.values()))
    training = Training(
        method=_method(row),
        sequence_length=row["sequence_length"],
        micro_batch_size=row["micro_batch_size"],
        activation_checkpointing=Checkpointing("full" if row["activation_checkpointing"] else "none"),
        attention=row["attention"],
        gradient_accumulation_steps=row.get("accumulation"),
    )
    precision = Precision(compute="bf16", parameters="bf16" if row["dtype"] == "bf16" else "fp32")
    return plan_of(
        row.get("stack", "fsdp2" if ranks > 1 else "ddp"),
        model=_model(row),
        gpus=ranks,
        training=training,
        precision=precision,
        parallelism=Parallelism(
            **layout,
            sequence_parallel=row.get("sequence_parallel"),
            zero_stage=None if row.get("reshards", True) else 2,
        ),
    )
