"""llm-analysis (`LLMAnalysis.training`): weights, gradients, optimizer states, activations of all layers, logits.

How its interface is used at its best:
- a gated MLP has three matrices where it counts two, so its width is given as 3/2 of the real one;
- gradients take the bytes of the master weights there, which are also added to the optimizer's bytes: given are the
  gradients' bytes, and the optimizer's less those;
- weights have 16 bits at most: fp32 parameters under autocast are its master weights, their 16-bit copies its weights;
- the GPU is given more memory than any row needs, since a batch that does not fit is refused.

What it cannot express: adapters, frozen layers, heads whose widths do not add up to the hidden size, layers of several
kinds, latent attention, uneven or interleaved stages, and loss functions other than the standard one. It takes
embeddings as tied.
"""

import logging
from functools import cache
from typing import Any

from benchmarks.peers.tool import Figures, Tool, of_the_fullest
from ftspec.catalog.shape import ModelShape
from ftspec.plan.model import DTYPE_BYTES, Plan

ROOMY_GB = 10**7
STATES = "(weight+op_state+grad)_memory_per_gpu"
TOTAL = "(weight+op_state+grad+act)_memory_per_gpu"


def is_expressible(plan: Plan) -> bool:
    """Whether its inputs can say what the plan is."""
    shape, training = plan.model.shape, plan.training
    plain = shape.num_attention_heads * shape.head_dim == shape.hidden_size and shape.mla is None
    one_kind = not set(shape.layer_types) - {"full_attention", "sliding_attention"}
    experts = shape.moe is None or not (shape.moe.num_shared_experts or shape.moe.first_k_dense_replace)
    usual = training.method.kind == "full" and training.loss == "standard" and training.optimizer.kind == "adamw"
    usual = usual and plan.precision.compute in ("bf16", "fp16")
    kept_here = plan.parallelism.offload_optimizer == plan.parallelism.offload_parameters == "none"
    layout = plan.parallelism
    even = layout.virtual_pipeline == 1 and len({stage.num_layers for stage in plan.stages}) == 1
    return plain and one_kind and experts and usual and kept_here and even and layout.context == 1


def _mlp_width(shape: ModelShape) -> float:
    width = shape.moe.moe_intermediate_size if shape.moe is not None else shape.intermediate_size
    return width * 3 / 2 if shape.mlp == "gated" else width


def _model(plan: Plan) -> Any:
    from llm_analysis.config import ModelConfig

    shape = plan.model.shape
    return ModelConfig(
        name=plan.model.id,
        num_layers=shape.num_hidden_layers,
        n_head=shape.num_attention_heads,
        hidden_dim=shape.hidden_size,
        vocab_size=shape.vocab_size,
        max_seq_len=plan.training.sequence_length,
        num_key_value_heads=shape.num_key_value_heads,
        ffn_embed_dim=_mlp_width(shape),
        expansion_ratio=_mlp_width(shape) / shape.hidden_size,
        moe_num_experts=shape.moe.num_experts if shape.moe is not None else 1,
        moe_top_k=shape.moe.num_experts_per_tok if shape.moe is not None else 1,
    )


@cache
def _roomy_gpu() -> Any:
    from llm_analysis.config import GPUConfig

    logging.getLogger("__name__").setLevel(logging.ERROR)  # the name that llm-analysis gives its logger
    return GPUConfig("roomy", ROOMY_GB, 3350, 450, 8e-6, 989)


def _analysis(plan: Plan) -> Any:
    from llm_analysis.analysis import LLMAnalysis
    from llm_analysis.config import DtypeConfig, ParallelismConfig

    layout = plan.parallelism
    return LLMAnalysis(
        _model(plan),
        _roomy_gpu(),
        DtypeConfig("w16a16e16", weight_bits=16, activation_bits=16, embedding_bits=16),
        ParallelismConfig(
            tp_size=layout.tensor,
            pp_size=layout.pipeline,
            dp_size=layout.data,
            ep_size=layout.expert,
            sp_size=layout.tensor if layout.sequence_parallel else 1,
        ),
    )


def summary(plan: Plan) -> dict[str, Any]:
    """Its whole answer for a plan that it can express."""
    from llm_analysis.analysis import ActivationRecomputation, DSZeRO

    training, precision = plan.training, plan.precision
    gradients = DTYPE_BYTES[precision.gradients]
    master = 4 if "fp32" in (precision.master_parameters, precision.parameters) else 0
    zero = 3 if training.stack == "fsdp2" else plan.parallelism.zero_stage
    answer: dict[str, Any] = _analysis(plan).training(
        batch_size_per_gpu=training.micro_batch_size,
        gradient_accumulation_steps=1,
        seq_len=training.sequence_length,
        activation_recomputation=ActivationRecomputation[training.activation_checkpointing.upper()],
        ds_zero=DSZeRO(zero),
        master_weights_dtype_bytes=gradients,
        other_op_bytes=2 * DTYPE_BYTES[precision.optimizer_states] + master - gradients,
        flash_attn=training.attention != "eager",
    )
    return answer


def ask(plan: Plan) -> Figures | None:
    """Its figures for a plan."""
    import llm_analysis  # noqa: F401

    if not is_expressible(plan):
        return None
    answer = summary(plan)
    return Figures(round(answer[TOTAL]), round(answer[STATES]))


LLM_ANALYSIS = Tool("llm-analysis", "llm-analysis", "full training of plain decoders, any layout", of_the_fullest(ask))
