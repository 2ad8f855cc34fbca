"""Parameters, gradients, master copies and optimizer states, against the numbers of the papers and by hand."""

import pytest

from ftspec.memory.communication.fsdp2 import groups_of
from ftspec.memory.estimate import estimate_memory, sections_of
from ftspec.memory.holdings import Degrees, Holding, tensorwise_part, trained_elements
from ftspec.memory.kinds import kinds_of
from ftspec.memory.optimizers.states import moments
from ftspec.memory.quantization import scale_bytes
from ftspec.memory.shard import Shard, Tensor
from ftspec.memory.states import States, flat_elements
from ftspec.plan.model import Plan
from ftspec.spec.methods import Lora, Partial, Qlora
from ftspec.spec.model import Model, Offload, Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.memory.plans import frames_of, plan_of, states_of

LLAMA_8B_PARAMETERS = 8_030_261_248
TINY = Model(
    num_hidden_layers=1,
    hidden_size=6,
    intermediate_size=10,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=2,
    vocab_size=11,
    tie_word_embeddings=False,
    max_position_embeddings=64,
)
"""q 36, k 12, v 12, o 36, three of 60, two norms of 6; embedding and head of 66, final norm 6: 426 parameters."""


def total(plan: Plan) -> int:
    """All state bytes of the first stage."""
    return states_of(plan)[0].total


@pytest.mark.parametrize(
    ("zero_stage", "bytes_a_parameter"),
    [(0, 16.0), (1, 4 + 12 / 64), (2, 2 + 14 / 64), (3, 16 / 64)],
)
def test_zero_as_in_its_paper(zero_stage: int, bytes_a_parameter: float) -> None:
    """Rajbhandari et al. 2020, figure 1: mixed precision Adam, K = 12, on 64 GPUs: 16, 4 + 12/64, 2 + 14/64, 16/64."""
    plan = plan_of(
        "deepspeed",
        gpus=64,
        precision=Precision(compute="fp16", gradients="fp16"),
        parallelism=Parallelism(zero_stage=zero_stage),
    )
    assert total(plan) / LLAMA_8B_PARAMETERS == pytest.approx(bytes_a_parameter, rel=1e-4)


@pytest.mark.parametrize(("distributed", "bytes_a_parameter"), [(False, 18.0), (True, 6 + 12 / 8)])
def test_megatron_as_in_its_documentation(distributed: bool, bytes_a_parameter: float) -> None:
    """megatron-core, distributed optimizer guide: bf16 with fp32 gradients is 18 bytes, or 6 + 12/d."""
    plan = plan_of("megatron", gpus=8, parallelism=Parallelism(distributed_optimizer=distributed))
    padded = LLAMA_8B_PARAMETERS
    assert total(plan) / padded == pytest.approx(bytes_a_parameter, rel=1e-4)


def test_the_70b_reference_of_megatron() -> None:
    """`report_theoretical_memory` for 128 GPUs, TP8 PP4 DP4, distributed optimizer: 19,497 MB on the fullest shard;
    its activations, 10,256 MB, count a plain MLP: ours is the gated one that the model has.
    """
    plan = plan_of(
        "megatron",
        model=Model(from_="meta-llama/Llama-3.1-70B"),
        gpus=128,
        training=Training(
            sequence_length=4096, micro_batch_size=1, global_batch_size=256, activation_checkpointing=None
        ),
        parallelism=Parallelism(tensor=8, pipeline=4, sequence_parallel=True, zero_stage=1, distributed_optimizer=True),
    )
    fullest = max(states.total for states in states_of(plan))
    assert round(fullest / 2**20) == 19_497
    first = estimate_memory(plan).stages[0]
    assert first.terms["activations"] / 2**20 == pytest.approx(10_256, rel=0.05)


def test_flat_buffers_are_padded_to_twice_the_ranks() -> None:
    assert flat_elements(Holding(15, 0, 0, 2), Degrees(4, 1)) == (16, 4)
    assert flat_elements(Holding(16, 0, 0, 1), Degrees(4, 1)) == (16, 4)
    assert flat_elements(Holding(17, 0, 0, 1), Degrees(4, 1)) == (24, 6)


def test_tensors_by_themselves_are_padded_one_by_one() -> None:
    shard = Shard(((Tensor(1, 1), 1), (Tensor(7, 1), 1), (Tensor(2, 4), 1)), ((Tensor(5, 1), 1),))
    assert tensorwise_part(shard, Degrees(4, 2), by_rows=False) == 2 + 2 + 1 + 3
    assert tensorwise_part(shard, Degrees(4, 2), by_rows=True) == 4 + 2 + 1 + 3


def test_zero_3_shards_every_tensor_of_a_tiny_model() -> None:
    """4 ranks: 9 + 3 + 3 + 9 + 3·15 + 2·2 (norms of 6 are padded to 8) + 17 + 17 + 2."""
    plan = plan_of("deepspeed", model=TINY, gpus=4, parallelism=Parallelism(zero_stage=3))
    part = 9 + 3 + 3 + 9 + 45 + 4 + 17 + 17 + 2
    states = states_of(plan)[0]
    assert states == States(2 * part, 2 * part, 4 * part, 8 * part)


def test_tied_embeddings_are_one_tensor_on_one_stage_and_two_on_two() -> None:
    model = Model(from_="meta-llama/Llama-3.2-1B")
    table, rest = 128256 * 2048, 1_235_814_400 - 128256 * 2048
    (single,) = states_of(plan_of(model=model))
    assert single.parameters == 2 * (table + rest)
    plan = plan_of("megatron", model=model, gpus=2, parallelism=Parallelism(pipeline=2))
    both = [states.parameters for states in states_of(plan)]
    assert sum(both) == 2 * (2 * table + rest)


def test_megatron_pads_the_vocabulary() -> None:
    """GPT-2's 50,257 rows become 50,304 (a multiple of 128), and 51,200 over a tensor group of 8 (of 1,024)."""
    from ftspec.memory.shard import padded_vocabulary

    shape = plan_of(model=Model(from_="openai-community/gpt2-xl")).model.shape
    assert padded_vocabulary(shape, "megatron", 1) == 50304
    assert padded_vocabulary(shape, "megatron", 8) == 51200
    assert padded_vocabulary(shape, "ddp", 1) == 50257


@pytest.mark.parametrize(
    ("kind", "count", "bytes_a_parameter"),
    [("adamw", 2, 8.0), ("lion", 1, 4.0), ("sgd", 0, 0.0), ("adamw_8bit", 2, 2 * (1 + 4 / 256))],
)
def test_optimizers(kind: str, count: int, bytes_a_parameter: float) -> None:
    training = Training(optimizer=OptimizerChoice(kind=kind))  # type: ignore[arg-type]
    plan = plan_of("deepspeed", gpus=8, training=training)
    assert moments(plan) == count
    states = states_of(plan)[0]
    assert states.optimizer_states / (states.parameters / 2) == pytest.approx(bytes_a_parameter, rel=1e-4)


def test_quantized_weights_as_in_the_qlora_paper() -> None:
    """Dettmers et al. 2023, section 3: double quantization takes a scale's share from 0.5 to 0.127 bits a weight."""
    weights = 2**30
    assert scale_bytes(weights, False) * 8 / weights == pytest.approx(0.5, abs=1e-6)
    assert scale_bytes(weights, True) * 8 / weights == pytest.approx(0.127, abs=5e-4)


def test_adapters_by_hand() -> None:
    """Rank 16 beside all projections of an 8B layer: q and o 131,072 each, k and v 81,920, each of the MLP 294,912."""
    attention = 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
    mlp = 3 * 16 * (4096 + 14336)
    plan = plan_of(training=Training(method=Lora(rank=16, targets="all_linear", adapter_dtype="fp32")))
    states = states_of(plan)[0]
    adapters = 32 * (attention + mlp)
    assert states.parameters == 2 * LLAMA_8B_PARAMETERS + 4 * adapters
    assert states.gradients == 4 * adapters
    assert states.optimizer_states == 8 * adapters + 4 * (32 * 7 * 2)


def test_qlora_packs_the_layers_and_nothing_else() -> None:
    plan = plan_of(training=Training(method=Qlora(rank=16, double_quantization=False)))
    states = states_of(plan)[0]
    matrices = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    rest = LLAMA_8B_PARAMETERS - matrices
    adapters = 32 * 16 * (2 * 8192 + 2 * 5120 + 3 * 18432)
    codes = 32 * 7 * 64
    assert states.parameters == matrices // 2 + 4 * (matrices // 64) + codes + 2 * rest + 4 * adapters


def test_scales_are_whole_where_packed_weights_are_sharded() -> None:
    """FSDP2 over 8 ranks: of the weights an eighth, of their scales and tables all; doubly quantized."""
    method = Qlora(rank=16, double_quantization=True, adapter_dtype="bf16")
    whole = states_of(plan_of(training=Training(method=method)))[0]
    part = states_of(plan_of("fsdp2", gpus=8, training=Training(method=method)))[0]
    matrices = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    scales = matrices // 64 + 4 * (matrices // 64 // 256) + 32 * 7 * (64 + 1024 + 4)
    adapters = 32 * 16 * (2 * 8192 + 2 * 5120 + 3 * 18432)
    rest = LLAMA_8B_PARAMETERS - matrices
    assert whole.parameters == matrices // 2 + scales + 2 * rest + 2 * adapters
    assert part.parameters == (matrices // 2 + 2 * rest + 2 * adapters) // 8 + scales


def test_partial_training_updates_the_last_layers() -> None:
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096
    plan = plan_of(training=Training(method=Partial(last_layers=2)))
    states = states_of(plan)[0]
    assert states.gradients == 2 * 2 * layer
    assert states.parameters == 2 * LLAMA_8B_PARAMETERS


def test_offloading_leaves_the_device() -> None:
    kept = plan_of("deepspeed", gpus=8, parallelism=Parallelism(zero_stage=3))
    moved = plan_of(
        "deepspeed", gpus=8, parallelism=Parallelism(zero_stage=3, offload=Offload(optimizer="cpu", parameters="cpu"))
    )
    terms = estimate_memory(moved).stages[0].terms
    assert [terms[name] for name in ("parameters", "master_parameters", "optimizer_states")] == [0, 0, 0]
    assert estimate_memory(moved).peak_bytes < estimate_memory(kept).peak_bytes


def test_experts_are_divided_over_their_own_ranks() -> None:
    """Mixtral on 8 GPUs with expert parallelism 8: one expert a layer and rank, replicated nowhere."""
    model = Model(from_="mistralai/Mixtral-8x7B-v0.1")
    plan = plan_of("megatron", model=model, gpus=8, parallelism=Parallelism(expert=8, expert_tensor=1))
    expert = 32 * 3 * 4096 * 14336
    dense = 46_702_792_704 - 8 * expert
    assert states_of(plan)[0].parameters == 2 * (dense + expert)


def test_packed_weights_are_gathered_packed() -> None:
    """FSDP2 gathers a layer of QLoRA in half a byte a weight, one of LoRA in two, with norms and adapters alike."""
    buffers = []
    for method in (Lora(rank=16, targets="all_linear"), Qlora(rank=16, targets="all_linear")):
        (frame,) = frames_of(plan_of("fsdp2", gpus=8, training=Training(method=method)))
        buffers.append(groups_of(frame).layer)
    matrices = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert buffers[0] - buffers[1] == 2 * matrices - matrices // 2


def test_adapters_of_experts_are_divided_with_them() -> None:
    """Each rank wraps the experts that it has: their A and B are as many times smaller."""
    model = Model(from_="Qwen/Qwen3-30B-A3B", num_hidden_layers=2)
    training = Training(method=Lora(rank=16, targets=("gate_proj", "up_proj", "down_proj")), micro_batch_size=1)
    whole, half = (
        trained_elements(plan, kinds_of(plan), sections_of(plan, kinds_of(plan))[0][0])
        for expert in (1, 2)
        for plan in [plan_of("ddp", model=model, gpus=8, training=training, parallelism=Parallelism(expert=expert))]
    )
    assert whole == 2 * 128 * 16 * (2 * (2048 + 2 * 768) + 768 + 2048)
    assert half == whole // 2
