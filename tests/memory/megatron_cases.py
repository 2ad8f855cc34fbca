"""Steps of Megatron whose memory is traced: what each job is, and its plan."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from ftspec.core.source import START
from ftspec.plan.ledger import Ledger
from ftspec.plan.megatron_settings import end_stages, resolve_megatron_settings
from ftspec.plan.model import Plan
from ftspec.plan.stages import lay_out_stages
from ftspec.spec.document import TargetBlock
from ftspec.spec.model import Checkpointing, Model, Parallelism, Precision, Training
from tests.memory.plans import plan_of

Raw = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One rank's step in bf16: of pipeline stage `stage`, at place 0 of all other groups. `precision`: what else the
    spec's block says; `raw`: Megatron's flags.
    """

    model: str
    num_hidden_layers: int
    sequence_length: int = 2048
    micro_batch_size: int = 1
    micro_batches: int = 1
    tensor: int = 1
    sequence_parallel: bool = False
    pipeline: int = 1
    virtual_pipeline: int = 1
    stage: int = 0
    data: int = 1
    context: int = 1
    expert: int = 1
    expert_tensor: int = 1
    distributed_optimizer: bool = False
    checkpointing: Literal["none", "selective", "full"] = "none"
    checkpoint_every: int = 1
    attention: Literal["flash", "sdpa", "eager"] = "flash"
    precision: Raw = field(default_factory=dict)
    raw: Raw = field(default_factory=dict)

    @property
    def world_size(self) -> int:
        """Ranks of the job."""
        return self.tensor * self.context * self.pipeline * self.data

    @property
    def rank(self) -> int:
        """The traced rank: pipeline stages are the outermost groups (megatron/core/parallel_state.py)."""
        return self.stage * (self.world_size // self.pipeline)


def case_plan(case: Case) -> Plan:
    """The plan of a case."""
    layout = Parallelism(
        tensor=case.tensor,
        pipeline=case.pipeline,
        virtual_pipeline=case.virtual_pipeline,
        data=case.data,
        context=case.context,
        expert=case.expert,
        expert_tensor=case.expert_tensor,
        sequence_parallel=case.sequence_parallel,
        zero_stage=1 if case.distributed_optimizer else 0,
        distributed_optimizer=case.distributed_optimizer,
    )
    training = Training(
        sequence_length=case.sequence_length,
        micro_batch_size=case.micro_batch_size,
        gradient_accumulation_steps=case.micro_batches,
        activation_checkpointing=Checkpointing(case.checkpointing, case.checkpoint_every),
        attention=case.attention,
        steps=100,
    )
    plan = plan_of(
        "megatron",
        model=Model(from_=case.model, num_hidden_layers=case.num_hidden_layers),
        gpus=case.world_size,
        precision=Precision(**{"compute": "bf16", **case.precision}),
        training=training,
        parallelism=layout,
    )
    settings = resolve_megatron_settings([TargetBlock("megatron", START, {}, case.raw, {})], Ledger({}))
    ends = end_stages("megatron", settings)
    stages = lay_out_stages(case.num_hidden_layers, case.pipeline, case.virtual_pipeline, *ends)
    return replace(plan, megatron=settings, stages=stages)


def as_row(case: Case) -> dict[str, Any]:
    """What differs from the defaults."""
    plain = asdict(Case("", 0))
    return {name: value for name, value in asdict(case).items() if value != plain[name]}


_LLAMA, _SMALL, _QWEN = "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-1B", "Qwen/Qwen3-8B"
_MIXTRAL, _MANY = "mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-30B-A3B"
_LATENT, _LARGE = "deepseek-ai/DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V3"
_SP2: dict[str, Any] = {"tensor": 2, "sequence_parallel": True}


def _dense() -> list[Case]:
    flash = [Case(_LLAMA, 3, micro_batch_size=size) for size in (1, 2)]
    degrees = ((degree, along) for degree in (2, 4, 8) for along in (False, True))
    tensor = [Case(_LLAMA, 3, tensor=degree, sequence_parallel=along) for degree, along in degrees]
    return [
        *flash,
        *tensor,
        Case(_SMALL, 4, sequence_length=4096),
        Case(_QWEN, 2, **_SP2),
        Case("meta-llama/Llama-2-7b-hf", 3, micro_batch_size=3),
        Case("meta-llama/Llama-3.1-70B", 2, tensor=8, sequence_parallel=True, sequence_length=8192),
        Case(_LLAMA, 3, attention="sdpa", micro_batch_size=2),
        Case(_LLAMA, 2, attention="eager"),
        Case(_LLAMA, 3, data=4, distributed_optimizer=True),
        Case(_SMALL, 4, data=8, distributed_optimizer=True, **_SP2),
        Case(_LLAMA, 2, raw={"no_gradient_accumulation_fusion": True}),
    ]


def _recomputed() -> list[Case]:
    selective: dict[str, Any] = {"checkpointing": "selective"}
    full: dict[str, Any] = {"checkpointing": "full"}
    return [
        Case(_LLAMA, 3, **selective),
        Case(_LLAMA, 2, attention="eager", **selective),
        Case(_LLAMA, 4, sequence_length=4096, raw={"recompute_modules": ["core_attn", "mlp"]}, **selective),
        Case(_LLAMA, 4, sequence_length=4096, **full),
        Case(_LLAMA, 6, checkpoint_every=3, **full),
        Case(_LLAMA, 6, checkpoint_every=2, raw={"recompute_method": "block"}, **full),
        Case(_LLAMA, 4, sequence_length=8192, **_SP2, **full),
        Case(_MIXTRAL, 2, data=4, expert=4, raw={"recompute_modules": ["moe"]}, **selective),
        Case(_MIXTRAL, 2, data=4, expert=4, raw={"recompute_modules": ["moe_act", "layernorm"]}, **selective),
    ]


def _pipelined() -> list[Case]:
    two: dict[str, Any] = {"pipeline": 2, "micro_batches": 4}
    four: dict[str, Any] = {"pipeline": 4, "micro_batches": 8}
    ends = {"decoder_first_pipeline_num_layers": 2, "decoder_last_pipeline_num_layers": 2}
    return [
        *(Case(_LLAMA, 4, stage=stage, **two) for stage in (0, 1)),
        *(Case(_LLAMA, 8, stage=stage, **four) for stage in (0, 1, 3)),
        *(Case(_LLAMA, 8, stage=stage, virtual_pipeline=2, **two) for stage in (0, 1)),
        Case(_LLAMA, 16, stage=1, virtual_pipeline=2, **four),
        Case(_LLAMA, 16, checkpointing="full", sequence_length=4096, **four),
        *(Case(_LLAMA, 10, stage=stage, raw=ends, **four) for stage in (0, 1, 3)),
        Case(_SMALL, 4, **two),
        Case(_LLAMA, 4, stage=1, **two, **_SP2),
    ]


def _experts() -> list[Case]:
    padded = {"moe_expert_capacity_factor": 1.5, "moe_pad_expert_input_to_capacity": True}
    return [
        Case(_MIXTRAL, 1),
        Case(_MIXTRAL, 2, data=4, expert=4, distributed_optimizer=True),
        Case(_MIXTRAL, 2, data=2, expert=2, **_SP2),
        Case(_MIXTRAL, 2, expert_tensor=2, **_SP2),
        Case(_MIXTRAL, 2, data=4, expert=4, raw=padded),
        Case(_MANY, 2, data=8, expert=8),
        Case(_MANY, 4, data=8, expert=8, checkpointing="full", sequence_length=4096),
        Case(_LATENT, 3),
        Case(_LATENT, 3, attention="sdpa", micro_batch_size=2),
        Case(_LARGE, 4, data=16, expert=16, distributed_optimizer=True, attention="sdpa"),
        Case(_LARGE, 2, **_SP2),
    ]


def _divided() -> list[Case]:
    """Sequences divided over a context group; few heads, many heads, latent ones."""
    gathered, exchanged = {"cp_comm_type": "all_gather"}, {"cp_comm_type": "a2a"}
    many: dict[str, Any] = {"pipeline": 2, "micro_batches": 2, "sequence_length": 4096}
    few: dict[str, Any] = {"pipeline": 4, "micro_batches": 4, "sequence_length": 16384}
    heads = "meta-llama/Llama-2-7b-hf"
    return [
        Case(_LLAMA, 3, context=2, sequence_length=8192),
        Case(heads, 4, context=8, micro_batch_size=4, **many),
        Case(heads, 4, context=2, stage=1, checkpointing="full", **many),
        Case(heads, 4, context=2, checkpointing="selective", **many),
        Case(heads, 4, context=4, **_SP2, **many),
        Case(heads, 4, context=8, raw=gathered, **many),
        Case(heads, 4, context=8, micro_batch_size=4, raw=gathered, **many),
        Case(heads, 4, context=4, attention="sdpa", raw=gathered, **many),
        Case(heads, 4, context=8, micro_batch_size=4, attention="sdpa", raw=exchanged, **many),
        Case(_LLAMA, 8, context=4, raw=gathered, **few),
        Case(_LLAMA, 8, context=4, raw=exchanged, **few),
        Case(_LLAMA, 8, context=4, micro_batch_size=2, raw=gathered, **few),
        Case(_LLAMA, 3, context=2, data=2, distributed_optimizer=True, raw=exchanged),
        Case(_LATENT, 4, context=4, attention="sdpa", pipeline=2, micro_batches=2, sequence_length=8192),
    ]


def _precise() -> list[Case]:
    """Narrow states and gradients, and products in 8 bits."""
    narrow = {"optimizer_states": "bf16"}
    eight = {"compute": "fp8"}
    sharded: dict[str, Any] = {"data": 4, "distributed_optimizer": True}
    staged: dict[str, Any] = {"pipeline": 4, "micro_batches": 4, "sequence_length": 8192, "precision": eight}
    return [
        Case(_SMALL, 4, precision=narrow, **sharded),
        Case(_SMALL, 4, precision={**narrow, "gradients": "bf16"}, **sharded),
        Case(_SMALL, 4, precision={"gradients": "bf16"}, **sharded),
        Case(_SMALL, 4, precision=eight, **sharded),
        Case(_SMALL, 4, precision=eight, raw={"fp8_recipe": "tensorwise"}, **sharded),
        *(Case(_LLAMA, 8, stage=stage, **staged) for stage in (0, 1)),
        Case(_LLAMA, 8, stage=1, checkpointing="full", **staged),
        Case(_LLAMA, 8, stage=1, **staged, **_SP2),
        Case(_MIXTRAL, 2, data=4, expert=4, precision=eight),
        Case(_MANY, 2, data=8, expert=8, precision=eight),
        Case(_LATENT, 3, data=4, expert=4, attention="sdpa", precision=eight),
    ]


def _modules() -> list[Case]:
    """What selective recomputation makes again, module by module."""
    selective: dict[str, Any] = {"checkpointing": "selective"}
    staged: dict[str, Any] = {"data": 8, "expert": 8, "pipeline": 2, "micro_batches": 2}
    latent: dict[str, Any] = {"attention": "sdpa", **selective}
    return [
        *(
            Case(_MANY, 4, raw={"recompute_modules": [name]}, **staged, **selective)
            for name in ("moe_act", "layernorm")
        ),
        *(Case(_LATENT, 3, raw={"recompute_modules": [name]}, **latent) for name in ("mla_up_proj", "shared_experts")),
        Case(_MANY, 4, raw={"recompute_modules": ["moe"]}, **staged, **selective),
        Case(_LLAMA, 8, stage=1, pipeline=4, micro_batches=4, sequence_length=16384),
        Case(_LLAMA, 8, pipeline=4, micro_batches=4, sequence_length=16384, checkpointing="full"),
    ]


def cases() -> list[Case]:
    """Every case that is traced."""
    return [*_dense(), *_recomputed(), *_pipelined(), *_experts(), *_divided(), *_precise(), *_modules()]
