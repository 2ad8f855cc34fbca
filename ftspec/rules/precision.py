"""Rules over data types: which combinations train, and which a stack has."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.memory.optimizers.states import moments
from ftspec.plan.model import DTYPE_BYTES, Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, gigabytes, replacing

_COMPUTE, _PARAMETERS, _MASTER = "precision.compute", "precision.parameters", "precision.master_parameters"
_GRADIENTS, _STATES = "precision.gradients", "precision.optimizer_states"
_KEEPS_MASTER = ("deepspeed", "megatron", "megatron_deepspeed")


@plan_rule(
    "FT330",
    Severity.WARNING,
    "fp16 where bf16 is available",
    "fp16 overflows above 65,504: without dynamic loss scaling gradients vanish or the loss diverges, and with it"
    " steps are skipped. bf16 has fp32's range at the same speed and memory; every GPU since the A100 is built"
    " for it.",
    bad=job(precision="compute = fp16"),
    good=job(precision="compute = bf16"),
)
def bf16_is_better_where_there_is_any(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """compute = fp16 on an accelerator with bf16."""
    if plan.precision.compute == "fp16" and plan.hardware.accelerator.supports_bf16:
        yield rule.finding(
            f"compute = fp16 diverges without dynamic loss scaling, and {plan.hardware.gpu} has bf16, which needs none",
            blamed(plan, _COMPUTE),
            "write compute = bf16",
            replacing(plan, _COMPUTE, "bf16"),
        )


def _moment_bytes(plan: Plan, dtype: str) -> int:
    return moments(plan) * DTYPE_BYTES[dtype]


@plan_rule(
    "FT331",
    Severity.ERROR,
    "the stack keeps an fp32 master copy whether it is counted or not",
    "Megatron and DeepSpeed update 16-bit parameters through an fp32 copy. With Adam that makes 2 + 2 + 4 + 8 = 16"
    " bytes a parameter (18 with fp32 gradients); a table of memory that leaves the copy out is 4 bytes a parameter"
    " short (Rajbhandari et al. 2020, section 3.1). DeepSpeed holds 16-bit master parameters only where ZeRO offloads"
    " them to the CPU, or with bf16 states.",
    bad=job(
        training="stack = deepspeed",
        precision="compute = fp16  master_parameters = none",
        parallelism="zero_stage = 1",
    ),
    good=job(training="stack = deepspeed", precision="compute = bf16", parallelism="zero_stage = 1"),
)
def master_copy_is_kept(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """master_parameters = none with 16-bit parameters on a stack that keeps the copy."""
    precision, method = plan.precision, plan.training.method.kind
    if (
        plan.training.stack not in _KEEPS_MASTER
        or not _pure_16_bit(plan)
        or method not in ("full", "partial")
        or _has_16_bit_master(plan)
    ):
        return
    held = DTYPE_BYTES[precision.parameters] + DTYPE_BYTES[precision.gradients]
    counted, real = held + _moment_bytes(plan, precision.optimizer_states), held + 4 + _moment_bytes(plan, "fp32")
    parameters = plan.model.parameters
    parts = (
        f"{DTYPE_BYTES[precision.parameters]} parameter + {DTYPE_BYTES[precision.gradients]} gradient + 4 master +"
        f" {_moment_bytes(plan, 'fp32')} moments"
    )
    total = (
        f" of {parameters:,} × {real} bytes = {gigabytes(parameters * real)}, not {gigabytes(parameters * counted)}"
        if method == "full"
        else ""
    )
    yield rule.finding(
        f"{plan.training.stack} keeps an fp32 master copy of {precision.parameters} parameters"
        f" ({gigabytes(4 * parameters)} here): states are {real} bytes a parameter ({parts}){total}",
        blamed(plan, _MASTER),
        "write master_parameters = fp32, and count it",
        replacing(plan, _MASTER, "fp32"),
    )


def _pure_16_bit(plan: Plan) -> bool:
    return plan.precision.master_parameters == "none" and plan.precision.parameters != "fp32"


def _has_16_bit_master(plan: Plan) -> bool:
    """DeepSpeed's fp16_master_weights_and_grads and bf16_master_weights_and_grads want ZeRO, and the states on the CPU
    or in bf16 (deepspeed/runtime/base_optimizer.py, `_configure_master_weights`).
    """
    layout, precision = plan.parallelism, plan.precision
    on_cpu = layout.offload_optimizer != "none"
    narrow = precision.parameters == "bf16" and precision.optimizer_states == "bf16"
    return "deepspeed" in plan.training.stack and layout.zero_stage >= 1 and (on_cpu or narrow)


@plan_rule(
    "FT332",
    Severity.WARNING,
    "pure 16-bit training loses small updates",
    "bf16 has 8 significant bits: an update below 1/256 of a weight is rounded away. With a fine-tuning learning rate"
    " that is most of them, and training stalls. An fp32 copy, or fp32 parameters under autocast, keeps them.",
    bad=job(training="stack = fsdp2", precision="parameters = bf16"),
    good=job(training="stack = fsdp2", precision="parameters = fp32"),
)
def updates_are_not_rounded_away(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """16-bit parameters updated in place; silent where neither the stack nor the types were chosen yet."""
    trained = plan.training.method.kind in ("full", "partial")
    possible = plan.training.stack not in _KEEPS_MASTER or _has_16_bit_master(plan)
    chosen = any(map(plan.given, ("training.stack", _COMPUTE, _PARAMETERS, _MASTER)))
    if chosen and trained and _pure_16_bit(plan) and possible:
        dtype = plan.precision.parameters
        bits = {"bf16": "1/256", "fp16": "1/2,048"}[dtype]
        instead = "master_parameters = fp32" if plan.training.stack in _KEEPS_MASTER else "parameters = fp32 (autocast)"
        yield rule.finding(
            f"{dtype} parameters are updated without an fp32 copy: updates below {bits} of a weight are lost",
            blamed(plan, _MASTER, _PARAMETERS, _COMPUTE, "precision", "training.stack"),
            f"write {instead}, which costs memory, or use lora, whose adapters are fp32",
        )


@plan_rule(
    "FT333",
    Severity.ERROR,
    "two different 16-bit types",
    "fp16 and bf16 cannot be mixed: frameworks have one 16-bit mode at a time, and converting between them loses"
    " range or precision.",
    bad=job(precision="compute = bf16  gradients = fp16"),
    good=job(precision="compute = bf16  gradients = bf16"),
)
def one_16_bit_type(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """compute, parameters, gradients and states against each other."""
    precision = plan.precision
    base = "bf16" if precision.compute == "fp8" else precision.compute
    others = {_PARAMETERS: precision.parameters, _GRADIENTS: precision.gradients}
    for path, dtype in others.items():
        if {base, dtype} == {"bf16", "fp16"} and plan.given(path):
            name = path.rpartition(".")[2]
            yield rule.finding(
                f"{name} = {dtype} with compute = {precision.compute}",
                blamed(plan, path),
                f"write {name} = {base} or fp32",
                replacing(plan, path, base),
            )


@plan_rule(
    "FT334",
    Severity.ERROR,
    "compute in fp32 with 16-bit parameters",
    "Matrix products in fp32 need fp32 operands; parameters held in 16 bits would be converted back for every"
    " product, and no stack does that.",
    bad=job(precision="compute = fp32  parameters = bf16", training="attention = sdpa"),
    good=job(precision="compute = bf16  parameters = fp32"),
)
def parameters_are_as_wide_as_compute(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """compute = fp32 with 16-bit parameters."""
    precision = plan.precision
    if precision.compute == "fp32" and precision.parameters != "fp32":
        yield rule.finding(
            f"compute = fp32 with parameters = {precision.parameters}",
            blamed(plan, _PARAMETERS),
            f"write compute = {precision.parameters}, or parameters = fp32",
        )


@plan_rule(
    "FT335",
    Severity.ERROR,
    "a master copy of fp32 parameters",
    "The master copy exists because the parameters have 16 bits. Parameters in fp32 are their own master.",
    bad=job(training="stack = ddp", precision="compute = bf16  parameters = fp32  master_parameters = fp32"),
    good=job(training="stack = ddp", precision="compute = bf16  parameters = fp32"),
)
def fp32_parameters_need_no_master(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """master_parameters = fp32 with parameters = fp32."""
    precision = plan.precision
    if precision.parameters == "fp32" and precision.master_parameters == "fp32":
        yield rule.finding(
            "parameters = fp32 are their own master copy",
            blamed(plan, _MASTER),
            "write master_parameters = none",
            replacing(plan, _MASTER, "none"),
        )


@plan_rule(
    "FT336",
    Severity.ERROR,
    "a master copy on a stack that keeps none",
    "DDP and FSDP2 optimize the parameters as they are held; a second copy is DeepSpeed's and Megatron's.",
    bad=job(training="stack = ddp", precision="parameters = bf16  master_parameters = fp32"),
    good=job(training="stack = ddp", precision="parameters = fp32"),
)
def stack_keeps_a_master(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """master_parameters = fp32 on ddp and fsdp2."""
    precision, stack = plan.precision, plan.training.stack
    if stack not in _KEEPS_MASTER and precision.parameters != "fp32" and precision.master_parameters == "fp32":
        yield rule.finding(
            f"{stack} keeps no master copy",
            blamed(plan, _MASTER),
            "write parameters = fp32 with master_parameters = none",
        )


@plan_rule(
    "FT337",
    Severity.ERROR,
    "8-bit states without the 8-bit optimizer",
    "Moments in 8 bits need an optimizer that quantizes them block by block (Dettmers et al. 2022).",
    bad=job(training="stack = ddp", precision="optimizer_states = int8"),
    good=job(
        training="stack = ddp  optimizer = adamw_8bit { learning_rate = 1e-5 }", precision="optimizer_states = int8"
    ),
)
def states_are_8_bit_with_their_optimizer(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """optimizer_states = int8 if and only if optimizer = adamw_8bit."""
    eight_bit = plan.training.optimizer.kind == "adamw_8bit"
    states = plan.precision.optimizer_states
    if (states == "int8") != eight_bit:
        kind = plan.training.optimizer.kind
        help = (
            "leave optimizer_states out, or write optimizer = adamw"
            if eight_bit
            else "write optimizer = adamw_8bit, or another data type"
        )
        yield rule.finding(
            f"optimizer_states = {states} with optimizer = {kind}", blamed(plan, _STATES, "training.optimizer"), help
        )
