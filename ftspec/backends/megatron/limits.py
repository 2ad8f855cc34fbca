"""Megatron's own rules for plans that it can express: what validate_args or the first step refuses."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.biases import linear_biases
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

SEED = declare(
    "FT624",
    Severity.ERROR,
    "Megatron wants a seed above 0",
    "megatron/training/initialize.py, `_set_random_seed`, raises for a seed that is not positive.",
    megatron_job(training=f"seed = 0  {LENGTH}"),
    megatron_job(training=f"seed = 1234  {LENGTH}"),
)
LENGTH_OPEN = declare(
    "FT627",
    Severity.WARNING,
    "the job has no length",
    "Megatron raises at its start without --train-iters or --train-samples.",
    megatron_job(training="global_batch_size = 8"),
    megatron_job(training="global_batch_size = 8  steps = 1000"),
)
EXPERT_BIAS = declare(
    "FT628",
    Severity.ERROR,
    "experts with biases cannot be divided by tensor parallelism",
    "TransformerConfig asserts expert-tensor-parallel-size = 1 where the experts have biases.",
    megatron_job(
        model='from = "openai/gpt-oss-20b"  num_hidden_layers = 2',
        parallelism="tensor = 2  expert = 4  sequence_parallel = true",
    ),
    megatron_job(
        model='from = "mistralai/Mixtral-8x7B-v0.1"  num_hidden_layers = 2',
        parallelism="tensor = 2  expert = 4  sequence_parallel = true",
    ),
)
EAGER_CONTEXT = declare(
    "FT629",
    Severity.ERROR,
    "unfused attention does not work with context parallelism",
    "Transformer Engine passes keys and values around the context group inside its flash and fused kernels; the "
    "unfused one has no such path.",
    megatron_job(training=f"attention = eager  {LENGTH}", parallelism="context = 2"),
    megatron_job(training=f"attention = flash  {LENGTH}", parallelism="context = 2"),
)
BESIDE_DEEPSPEED = declare(
    "FT650",
    Severity.NOTE,
    "arguments for Megatron-DeepSpeed follow megatron-core",
    "The argument list is checked against megatron-core 0.19.2. The Megatron-DeepSpeed fork split off earlier, so "
    "some flags have other names there; sharding and offload are in DeepSpeed's own file.",
    megatron_job(training=f"stack = megatron_deepspeed  {LENGTH}"),
    megatron_job(training=f"stack = megatron  {LENGTH}"),
)


def seed_and_length_are_accepted(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Seed and length."""
    training = plan.training
    if training.seed < 1:
        yield SEED.finding(
            f"seed = {training.seed}: Megatron raises for a seed that is not above 0",
            blame(plan, target, "training.seed"),
            "write seed = 1234",
        )
    if training.steps is None:
        yield LENGTH_OPEN.finding(
            "the job has no length, and Megatron does not start without --train-iters",
            target.span,
            "write training { steps = … } or tokens, or give --train-iters to train.sh",
        )


def expert_biases_are_whole(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Experts with biases on one tensor rank."""
    shape, ranks = plan.model.shape, plan.parallelism.expert_tensor
    if shape.moe is not None and ranks > 1 and all(linear_biases(shape).values()):
        yield EXPERT_BIAS.finding(
            f"the experts have biases and expert_tensor is {ranks}; Megatron divides only experts without biases",
            blame(plan, target, "parallelism.expert_tensor", "parallelism.tensor"),
            "write expert_tensor = 1",
        )


def attention_spans_context(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Context parallelism with a fused kernel."""
    if plan.parallelism.context > 1 and plan.training.attention == "eager":
        yield EAGER_CONTEXT.finding(
            f"attention = eager with context = {plan.parallelism.context}: Transformer Engine's unfused attention "
            "cannot",
            blame(plan, target, "training.attention"),
            "write attention = flash",
        )


def fork_is_named(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Megatron-DeepSpeed is not what the arguments are checked against."""
    if plan.training.stack == "megatron_deepspeed":
        yield BESIDE_DEEPSPEED.finding(
            "these arguments are checked against megatron-core 0.19.2, not against the Megatron-DeepSpeed fork",
            blame(plan, target, "training.stack"),
            "compare train.sh with the fork's own --help; sharding and offload are in deepspeed/ds_config.json",
        )
