"""What we emit, Megatron accepts, derives the plan's values from, and changes nothing of."""

from functools import cache
from typing import Any

import pytest

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.argument import Argument
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.backends.megatron.flags import destination, flag_schema
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.catalog.parameters import has_experts
from ftspec.core.finding import has_errors
from ftspec.plan.model import Plan
from tests.backends.megatron.plans import make_target
from tests.backends.megatron.random_plans import random_plan
from tests.oracles.megatron_memory import megatron_arguments
from tests.oracles.megatron_oracle import Answer, Question, ask_megatron

SEEDS = range(200)

DERIVED = frozenset({
    "add_qkv_bias", "align_param_gather", "async_strategy", "bias_gelu_fusion", "consumed_train_samples",
    "consumed_valid_samples", "data_parallel_size", "dataloader_type", "encoder_num_layers", "encoder_seq_length",
    "end_weight_decay", "eval_global_batch_size", "eval_micro_batch_size", "expert_gtp_weight_remat_size",
    "expert_tensor_parallel_num_weight_shards", "expert_tensor_parallel_size", "gtp_weight_remat_size",
    "inference_cuda_graph_scope", "overlap_p2p_comm", "params_dtype", "skipped_train_samples", "start_weight_decay",
    "tensor_parallel_num_weight_shards", "transformer_pipeline_model_parallel_size", "use_dist_ckpt",
    "use_layer_wise_distributed_optimizer", "variable_seq_lengths", "virtual_pipeline_model_parallel_size",
    "check_for_nan_in_loss_and_grad", "apply_rope_fusion", "main_grads_dtype", "main_params_dtype", "exp_avg_dtype",
    "exp_avg_sq_dtype", "mamba_inference_conv_states_dtype", "mamba_inference_ssm_states_dtype",
    "mamba_training_ssm_states_dtype", "megatron_fsdp_main_params_dtype", "megatron_fsdp_main_grads_dtype",
    "megatron_fsdp_grad_comm_dtype",
})  # fmt: skip
"""What validate_args fills in or derives, and no flag of ours says."""


@cache
def plans() -> tuple[Plan, ...]:
    return tuple(random_plan(seed) for seed in SEEDS)


@cache
def answers() -> tuple[Answer, ...]:
    return tuple(ask_megatron([Question(megatron_arguments(plan), plan.hardware.world_size) for plan in plans()]))


@pytest.mark.parametrize("seed", SEEDS)
def test_accepted_and_equal_to_the_plan(seed: int) -> None:
    plan, answer = plans()[seed], answers()[seed]
    assert not has_errors(BACKEND.check(plan, make_target()))
    assert answer.refusal is None
    assert derived(answer) == expected(plan)
    assert answer.stages == [[list(chunk) for chunk in stage.chunks] for stage in plan.stages]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_changed_in_silence(seed: int) -> None:
    plan, answer = plans()[seed], answers()[seed]
    changed = {name for name, value in answer.after.items() if answer.before.get(name) != value}
    removed = set(answer.before) - set(answer.after)
    emitted = planned_arguments(plan, MegatronOptions())
    assert changed <= DERIVED
    assert not removed & {destination(argument.flag) for argument in emitted}
    for argument in emitted:
        assert answer.before[destination(argument.flag)] == said(argument), argument


def said(argument: Argument) -> Any:
    """The value that a flag gives its attribute."""
    if argument.value is True:
        return not argument.flag.startswith(("disable-", "no-"))
    if argument.flag in ("moe-layer-freq", "window-attn-skip-freq"):
        return eval(str(argument.value))  # our own expression, as Megatron evaluates it
    if argument.flag == "window-size":
        return [int(each) for each in str(argument.value).split(",")]
    schema = flag_schema(argument.flag)
    return float(argument.value) if schema.get("type") == "number" else argument.value  # type: ignore[arg-type]


def derived(answer: Answer) -> dict[str, Any]:
    """What Megatron makes of the arguments."""
    after, config = answer.after, answer.config
    return {
        "data": after["data_parallel_size"],
        "world_size": after["world_size"],
        "layers": config["num_layers"],
        "hidden": config["hidden_size"],
        "dense_width": config["ffn_hidden_size"],
        "heads": (config["num_attention_heads"], config["num_query_groups"]),
        "padded_vocabulary": after["padded_vocab_size"],
        "virtual_pipeline": config["virtual_pipeline_model_parallel_size"] or 1,
        "micro_batches": answer.micro_batches,
        "parameters": config["params_dtype"],
        "gradients_in_fp32": after["accumulate_allreduce_grads_in_fp32"] or config["params_dtype"] == "torch.float32",
        "experts": config["num_moe_experts"],
        "expert_ranks": (config["expert_model_parallel_size"], config["expert_tensor_parallel_size"]),
        "sequence_parallel": config["sequence_parallel"],
        "biases": (config["add_bias_linear"], config["add_qkv_bias"]),
        "sharded": after["use_distributed_optimizer"],
        "recompute": (config["recompute_granularity"] or "none", config["recompute_num_layers"] or 0),
        "steps": after["train_iters"],
        "decay": (after["lr_decay_iters"], after["lr_warmup_iters"], after["lr_decay_style"]),
        "fp8": config["fp8"] is not None,
        "dropout": (config["attention_dropout"], config["hidden_dropout"]),
        "layers_with_experts": after["moe_layer_freq"],
        "router": tuple(config[f"moe_router_{name}"] for name in ROUTER) if config["num_moe_experts"] else None,
    }


def expected(plan: Plan) -> dict[str, Any]:
    """The same, from the plan."""
    shape, training, layout, precision = plan.model.shape, plan.training, plan.parallelism, plan.precision
    block = 128 * layout.tensor
    everywhere = shape.attention_bias == "all" and shape.mlp_bias
    layers = [int(has_experts(shape, layer)) for layer in range(shape.num_hidden_layers)]
    full = training.activation_checkpointing == "full"
    return {
        "data": layout.data,
        "world_size": plan.hardware.world_size,
        "layers": shape.num_hidden_layers,
        "hidden": shape.hidden_size,
        "dense_width": shape.intermediate_size or (shape.moe.moe_intermediate_size if shape.moe else 0),
        "heads": (shape.num_attention_heads, shape.num_attention_heads if shape.mla else shape.num_key_value_heads),
        "padded_vocabulary": -(-shape.vocab_size // block) * block,
        "virtual_pipeline": layout.virtual_pipeline,
        "micro_batches": training.gradient_accumulation_steps,
        "parameters": {"bf16": "torch.bfloat16", "fp16": "torch.float16", "fp32": "torch.float32"}[
            precision.parameters
        ],
        "gradients_in_fp32": precision.gradients == "fp32",
        "experts": shape.moe.num_experts if shape.moe else None,
        "expert_ranks": (layout.expert, layout.expert_tensor),
        "sequence_parallel": layout.sequence_parallel,
        "biases": (everywhere, everywhere or shape.attention_bias == "qkv_only"),
        "sharded": layout.distributed_optimizer,
        "recompute": (training.activation_checkpointing, training.checkpoint_every_layers if full else 0),
        "steps": training.steps,
        "decay": (training.scheduler.total_steps, training.scheduler.warmup_steps, training.scheduler.kind),
        "fp8": precision.compute == "fp8",
        "dropout": (0.0, 0.0),
        "layers_with_experts": layers if 0 < sum(layers) < len(layers) else 1,
        "router": expected_router(plan),
    }


ROUTER = ("score_function", "enable_expert_bias", "num_groups", "group_topk", "topk_scaling_factor", "pre_softmax")


def expected_router(plan: Plan) -> tuple[Any, ...] | None:
    """DeepSeek-V3's router, or the default one of the other models here."""
    if plan.model.shape.moe is None:
        return None
    if plan.model.id == "deepseek-ai/DeepSeek-V3":
        return ("sigmoid", True, 8, 4, 2.5, False)
    return ("softmax", False, None, None, None, False)
