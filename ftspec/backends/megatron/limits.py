"""Megatron's own rules for plans that it can express: what validate_args or the first step refuses."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.biases import linear_biases
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan
from ftspec.rules.example import SMALL_MIXTRAL

_RATE = "optimizer = adamw { learning_rate = 1e-5 }"

MOE_SEQUENCE = declare(
    "FT620",
    Severity.ERROR,
    "experts with tensor parallelism need sequence parallelism",
    "megatron/core/transformer/moe/moe_layer.py refuses to train experts under tensor parallelism without sequence "
    "parallelism: every tensor rank would route the same tokens.",
    megatron_job(model=SMALL_MIXTRAL, parallelism="tensor = 2  expert = 4"),
    megatron_job(model=SMALL_MIXTRAL, parallelism="tensor = 2  expert = 4  sequence_parallel = true"),
)
POSITIONS = declare(
    "FT623",
    Severity.ERROR,
    "the sequence is longer than the model's positions",
    "validate_args asserts max-position-embeddings >= seq-length, for rotary positions too.",
    megatron_job(
        training=f"sequence_length = 4Ki  {LENGTH}",
        model='from = "meta-llama/Llama-3.2-1B"  max_position_embeddings = 2Ki',
    ),
    megatron_job(
        training=f"sequence_length = 4Ki  {LENGTH}",
        model='from = "meta-llama/Llama-3.2-1B"  max_position_embeddings = 4Ki',
    ),
)
SEED = declare(
    "FT624",
    Severity.ERROR,
    "Megatron wants a seed above 0",
    "megatron/training/initialize.py, `_set_random_seed`, raises for a seed that is not positive.",
    megatron_job(training=f"seed = 0  {LENGTH}"),
    megatron_job(training=f"seed = 1234  {LENGTH}"),
)
MINIMUM_RATE = declare(
    "FT625",
    Severity.ERROR,
    "the learning rate ends above its peak",
    "validate_args asserts min-lr <= lr.",
    megatron_job(training=f"{_RATE}  learning_rate_scheduler = cosine {{ minimum_learning_rate = 1e-4 }}  {LENGTH}"),
    megatron_job(training=f"{_RATE}  learning_rate_scheduler = cosine {{ minimum_learning_rate = 1e-6 }}  {LENGTH}"),
)
WARMUP = declare(
    "FT626",
    Severity.ERROR,
    "the warm-up is as long as the schedule",
    "megatron/core/optimizer_param_scheduler.py asserts that the warm-up ends before the decay does.",
    megatron_job(training="learning_rate_scheduler = cosine { warmup_steps = 1000 }  steps = 1000"),
    megatron_job(training="learning_rate_scheduler = cosine { warmup_steps = 100 }  steps = 1000"),
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
        model='from = "openai/gpt-oss-20b"  num_hidden_layers = 2',
        parallelism="tensor = 2  expert = 4  expert_tensor = 1  sequence_parallel = true",
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
_SCHEDULER = "training.learning_rate_scheduler"


def experts_need_sequence_parallelism(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Experts under tensor parallelism."""
    layout = plan.parallelism
    if plan.model.shape.moe is None or layout.tensor == 1 or layout.sequence_parallel:
        return
    yield MOE_SEQUENCE.finding(
        f"tensor = {layout.tensor} with {plan.model.shape.moe.num_experts} experts and without sequence_parallel: "
        "Megatron raises in the first step",
        blame(plan, target, "parallelism.sequence_parallel", "parallelism.tensor"),
        "write sequence_parallel = true",
    )


def positions_reach(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """The sequence within the model's positions."""
    positions, length = plan.model.shape.max_position_embeddings, plan.training.sequence_length
    if length > positions:
        yield POSITIONS.finding(
            f"sequence_length = {length:,} is longer than the model's {positions:,} positions, which Megatron refuses",
            blame(plan, target, "training.sequence_length", "model.max_position_embeddings", "model.from"),
            f"write sequence_length = {positions}, or model {{ max_position_embeddings = {length} }} where the "
            "positions are rotary",
        )


def numbers_are_accepted(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Seed, learning rates, warm-up, length."""
    training, schedule = plan.training, plan.training.scheduler
    if training.seed < 1:
        yield SEED.finding(
            f"seed = {training.seed}: Megatron raises for a seed that is not above 0",
            blame(plan, target, "training.seed"),
            "write seed = 1234",
        )
    if schedule.minimum_learning_rate > training.optimizer.learning_rate:
        yield MINIMUM_RATE.finding(
            f"minimum_learning_rate = {schedule.minimum_learning_rate:g} is above the learning rate, "
            f"{training.optimizer.learning_rate:g}",
            blame(plan, target, f"{_SCHEDULER}.minimum_learning_rate"),
            f"write minimum_learning_rate = {training.optimizer.learning_rate / 10:g}",
        )
    decay = schedule.total_steps or training.steps
    if decay is not None and schedule.warmup_steps >= decay:
        yield WARMUP.finding(
            f"warmup_steps = {schedule.warmup_steps:,} does not end before the schedule, which has {decay:,} steps",
            blame(plan, target, f"{_SCHEDULER}.warmup_steps"),
            f"write warmup_steps below {decay}",
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
