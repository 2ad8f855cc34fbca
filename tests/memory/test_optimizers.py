"""What optimizers keep and make, by hand and as laws."""

from typing import Any

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ftspec.memory.batch import estimate_batch
from ftspec.memory.estimate import estimate_memory, sections_of
from ftspec.memory.kinds import kinds_of
from ftspec.memory.optimizers.pieces import pieces_of
from ftspec.memory.optimizers.step import step_temporaries
from ftspec.memory.states import updated_of
from ftspec.plan.model import Plan, Stack
from ftspec.spec.methods import Full, Qlora
from ftspec.spec.model import Model, Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.memory.plans import plan_of, states_of
from tests.memory.test_batch import CHOICES, row_of

LAYERS, HIDDEN, INNER, KEY, VOCABULARY = 32, 4096, 14336, 1024, 128256
"""Llama 3.1 8B."""
MATRICES = LAYERS * (2 * HIDDEN * HIDDEN + 2 * HIDDEN * KEY + 3 * HIDDEN * INNER)
NORMS = (2 * LAYERS + 1) * HIDDEN
TABLES = 2 * VOCABULARY * HIDDEN
TENSORS = LAYERS * 9 + 3


def optimized(kind: str, stack: Stack = "ddp", *, gpus: int = 1, model: Model | None = None, **settings: Any) -> Plan:
    """Llama 3.1 8B, or another model, with an optimizer. `layout`, `precision` and `method` are blocks of the job."""
    blocks = {"parallelism": settings.pop("layout", Parallelism()), "precision": settings.pop("precision", Precision())}
    method = settings.pop("method", Full())
    training = Training(method=method, optimizer=OptimizerChoice(kind=kind, **settings))  # type: ignore[arg-type]
    model = model or Model(from_="meta-llama/Llama-3.1-8B")
    return plan_of(stack, model=model, gpus=gpus, training=training, **blocks)


def temporaries(plan: Plan) -> int:
    """Of the only stage."""
    kinds = kinds_of(plan)
    ((section, _),) = sections_of(plan, kinds)
    return step_temporaries(updated_of(plan, kinds, section))


def optimizer_bytes(plan: Plan) -> int:
    """Of the only stage."""
    return states_of(plan)[0].optimizer_states


def test_adam_counts_steps_on_the_device_where_it_is_fused() -> None:
    elements = MATRICES + NORMS + TABLES
    assert optimizer_bytes(optimized("adamw")) == 2 * 2 * elements + 4 * TENSORS
    assert optimizer_bytes(optimized("adamw", fused=False)) == 2 * 2 * elements


def test_adafactor_keeps_a_row_and_a_column_of_each_matrix() -> None:
    """transformers' under DDP: fp32 whatever the parameters are, and a root mean square of each tensor."""
    layer = 2 * (HIDDEN + HIDDEN) + 2 * (KEY + HIDDEN) + 3 * (INNER + HIDDEN)
    factors = LAYERS * layer + 2 * (VOCABULARY + HIDDEN) + NORMS
    assert optimizer_bytes(optimized("adafactor")) == 4 * factors + 4 * TENSORS


def test_adafactor_in_a_flat_buffer_is_a_whole_moment() -> None:
    plan = optimized("adafactor", "deepspeed", gpus=8, layout=Parallelism(zero_stage=1))
    assert optimizer_bytes(plan) == pytest.approx(4 * (MATRICES + NORMS + TABLES) / 8, rel=1e-6)


def test_adafactor_factors_each_expert() -> None:
    """Mixtral: 8 experts of 2 · 14,336 × 4,096 and 4,096 × 14,336 in a layer."""
    plan = optimized("adafactor", model=Model(from_="mistralai/Mixtral-8x7B-v0.1"))
    ((section, _),) = sections_of(plan, kinds_of(plan))
    experts = [piece for piece in pieces_of(updated_of(plan, kinds_of(plan), section)) if piece.form == "stack"]
    assert sorted((each.times, each.stack, each.rows * each.columns) for each in experts) == [
        (32, 8, 14336 * 4096),
        (32, 8, 2 * 14336 * 4096),
    ]
    assert {each.rows + each.columns for each in experts} == {14336 + 4096, 2 * 14336 + 4096}


def test_small_tensors_keep_32_bit_moments() -> None:
    """Llama 3.1 8B's norms have 4,096 elements and are quantized; Qwen2.5-0.5B's have 896 and are not."""
    elements = MATRICES + NORMS + TABLES
    assert optimizer_bytes(optimized("adamw_8bit")) == 2 * (elements + 4 * elements // 256 + 4 * 256)
    hidden, inner, key, layers, vocabulary = 896, 4864, 128, 24, 151936
    large = layers * (2 * hidden * hidden + 2 * hidden * key + 3 * hidden * inner) + vocabulary * hidden
    small = layers * (2 * hidden + hidden + 2 * key) + hidden
    plan = optimized("adamw_8bit", model=Model(from_="Qwen/Qwen2.5-0.5B"))
    assert optimizer_bytes(plan) == 2 * (large + 4 * large // 256 + 4 * small + 4 * 256)


def test_paged_moments_are_not_on_the_device() -> None:
    """QLoRA's adapters of rank 16: those of 4,096 and 1,024 inputs have fewer than 1e5 elements and are never paged, of
    those of 14,336 only the scales are left.
    """
    method = Qlora(rank=16, targets="all_linear", adapter_dtype="fp32")
    held = [optimizer_bytes(optimized("adamw_8bit", method=method, paged=paged)) for paged in (False, True)]
    large = LAYERS * 3 * 16 * INNER
    assert held[0] - held[1] == 2 * large


def test_muon_leaves_embedding_head_and_norms_to_adam() -> None:
    adam = 2 * 2 * (TABLES + NORMS) + 4 * (2 + 2 * LAYERS + 1)
    assert optimizer_bytes(optimized("muon")) == 2 * MATRICES + adam


def test_deepspeed_stages_muons_momentum() -> None:
    """ZeRO 2 on 8 ranks: the momentum twice, as wide as the gradients; of the largest matrix two ranks have a part."""
    plan = optimized("muon", "deepspeed", gpus=8, layout=Parallelism(zero_stage=2))
    adam = 8 * (TABLES + NORMS) // 8
    assert optimizer_bytes(plan) == 2 * 2 * (MATRICES // 8 + INNER * HIDDEN) + adam
    sharded = optimized("muon", "deepspeed", gpus=8, layout=Parallelism(zero_stage=3))
    assert optimizer_bytes(sharded) == 2 * MATRICES // 8 + adam


@pytest.mark.parametrize("kind", ["muon", "lion"])
def test_megatron_deals_out_whole_matrices(kind: str) -> None:
    """On 8 ranks 224 matrices in sizes of 64, 64 and 96, so evenly; all else is Adam's."""
    plan = optimized(kind, "megatron", gpus=8, layout=Parallelism(zero_stage=1))
    (states,) = states_of(plan)
    rest = (NORMS + TABLES) // 8
    assert states.optimizer_states == 4 * MATRICES // 8 + 8 * rest
    assert states.master_parameters == 4 * (MATRICES // 8 + rest)


def test_a_rank_may_have_one_matrix_more_than_another() -> None:
    plan = optimized("muon", "megatron", gpus=8, layout=Parallelism(zero_stage=1), model=Model(from_="gpt2"))
    whole = optimized("muon", "megatron", model=Model(from_="gpt2"))
    assert 8 * optimizer_bytes(plan) > optimizer_bytes(whole)


def test_newton_schulz_takes_the_largest_matrix() -> None:
    """bf16: three times the matrix and twice the square of its shorter side; fp32: 8 bytes an element and 4."""
    largest, product = INNER * HIDDEN, HIDDEN * HIDDEN
    assert temporaries(optimized("muon")) == 6 * largest + 4 * product
    assert temporaries(optimized("muon", precision=Precision(parameters="fp32"))) == 8 * largest + 4 * product


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_a_fused_kernel_needs_less_than_loops_do(kind: str) -> None:
    plan = optimized(kind, fused=False, weight_decay=0.1)
    assert temporaries(plan) == 2 * (MATRICES + NORMS + TABLES)


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B", "mistralai/Mixtral-8x7B-v0.1"])
@pytest.mark.parametrize("stack", ["ddp", "fsdp2", "deepspeed", "megatron"])
@pytest.mark.parametrize("kind", ["sgd", "adamw_8bit", "adafactor", "lion", "muon"])
def test_a_batch_is_its_layouts_one_by_one(kind: str, stack: Stack, model: str) -> None:
    settings = {"momentum": 0.9} if kind == "sgd" else {}
    plan = optimized(kind, stack, model=Model(from_=model), fused=False, **settings)
    random = numpy.random.default_rng(len(kind + stack))
    columns = {path: random.choice(numpy.array(values), 40) for path, values in CHOICES.items()}
    batch = estimate_batch(plan, columns)
    for index in range(0, 40, 3):
        alone = estimate_memory(row_of(plan, {path: values[index].item() for path, values in columns.items()}))
        assert batch.allocated_peak_bytes[index] == max(stage.allocated_peak_bytes for stage in alone.stages)


KINDS = ("adam", "adamw", "sgd", "adamw_8bit", "adafactor", "lion", "muon")
MODELS = {"Qwen/Qwen2.5-0.5B": 24, "Qwen/Qwen3-4B": 36, "Qwen/Qwen3-30B-A3B": 48}
STACKS: tuple[Stack, ...] = ("ddp", "fsdp2", "deepspeed", "megatron")


@st.composite
def optimizers(draw: st.DrawFn) -> dict[str, Any]:
    """A model, an optimizer and a stack."""
    kind, stack = draw(st.sampled_from(KINDS)), draw(st.sampled_from(STACKS))
    settings = {"fused": draw(st.booleans()), "momentum": 0.9 if kind == "sgd" else None}
    return {"kind": kind, "stack": stack, "name": draw(st.sampled_from(sorted(MODELS))), **settings}


def made(case: dict[str, Any], layers: int, gpus: int = 1, zero_stage: int = 0) -> Plan:
    """The plan of a case."""
    model = Model(from_=case["name"], num_hidden_layers=layers)
    settings = {name: case[name] for name in ("fused", "momentum")}
    if case["stack"] in ("ddp", "fsdp2"):
        zero_stage = 0
    layout = Parallelism(zero_stage=zero_stage)  # type: ignore[arg-type]
    return optimized(case["kind"], case["stack"], gpus=gpus, model=model, layout=layout, **settings)


@given(optimizers(), st.integers(1, 20), st.integers(1, 4))
def test_states_grow_with_what_is_updated(case: dict[str, Any], layers: int, more: int) -> None:
    few, many = made(case, layers), made(case, layers + more)
    assert 0 <= optimizer_bytes(few) < optimizer_bytes(many)
    assert 0 <= temporaries(few) <= temporaries(many)


@given(optimizers(), st.integers(1, 20))
def test_8_bit_states_are_smaller(case: dict[str, Any], layers: int) -> None:
    case = {**case, "stack": "ddp", "momentum": None}
    wide = made({**case, "kind": "adamw"}, layers)
    narrow = made({**case, "kind": "adamw_8bit"}, layers)
    assert optimizer_bytes(narrow) < optimizer_bytes(wide)


@given(optimizers(), st.sampled_from((2, 4, 8, 16)), st.sampled_from((1, 2, 3)))
def test_the_parts_of_all_ranks_are_no_less_than_the_whole(case: dict[str, Any], gpus: int, zero_stage: int) -> None:
    """Each rank is counted as the fullest one. DeepSpeed's ZeRO keeps Muon's momentum in another type."""
    assume(case["stack"] != "ddp" and (case["stack"], case["kind"]) != ("deepspeed", "muon"))
    whole, part = made(case, 4), made(case, 4, gpus, min(zero_stage, 1) if case["stack"] == "megatron" else zero_stage)
    assert optimizer_bytes(part) * gpus >= optimizer_bytes(whole) * 0.999
