"""Rules over the GPUs: what a node holds, what an accelerator cannot compute, where tensor groups lie."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import common_divisors, nearest
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, gigabytes, gigabytes_per_second, replacing

_TENSOR, _PER_NODE, _COMPUTE = "parallelism.tensor", "hardware.gpus_per_node", "precision.compute"
_TWO_NODES = 'nodes = 2  gpus_per_node = 8  network = "InfiniBand-NDR"'


@plan_rule(
    "FT301",
    Severity.WARNING,
    "a tensor-parallel group spans nodes",
    "Tensor parallelism communicates in every layer, forward and backward, and nothing hides it. Inside a node that"
    " goes over NVLink; between nodes over the network, many times slower.",
    bad=job(hardware=f'gpu = "H100-SXM5-80GB"  {_TWO_NODES}', parallelism="tensor = 16"),
    good=job(hardware=f'gpu = "H100-SXM5-80GB"  {_TWO_NODES}', parallelism="tensor = 8"),
)
def tensor_group_stays_in_a_node(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """tensor divides gpus_per_node, so that no group straddles a boundary."""
    hardware, tensor = plan.hardware, plan.parallelism.tensor
    network = hardware.network
    one_domain = network is not None and network.kind.startswith("nvlink")
    if hardware.nodes == 1 or tensor == 1 or hardware.gpus_per_node % tensor == 0 or one_domain:
        return
    inside = (
        f"{hardware.accelerator.intra_node_name} at {gigabytes_per_second(hardware.accelerator.intra_node_bandwidth)}"
    )
    outside = f"{network.id} at {gigabytes_per_second(network.data_bandwidth)} a port" if network else "the network"
    works = common_divisors(hardware.gpus_per_node, plan.model.shape.num_attention_heads)
    yield rule.finding(
        f"tensor = {tensor} with {hardware.gpus_per_node} GPUs a node: groups span nodes, so every layer's"
        f" all-reduces go over {outside} instead of {inside}",
        blamed(plan, _TENSOR),
        f"write tensor = {either(nearest(works, tensor))}",
    )


@plan_rule(
    "FT302",
    Severity.WARNING,
    "a node with more GPUs than it is built with",
    "The catalog knows how many GPUs of a kind a node holds; beyond that they are not joined by the same links.",
    bad=job(hardware='gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 16'),
    good=job(hardware=f'gpu = "H100-SXM5-80GB"  {_TWO_NODES}'),
)
def node_exists(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """gpus_per_node against the catalog's node."""
    hardware = plan.hardware
    accelerator = hardware.accelerator
    if hardware.gpus_per_node <= accelerator.gpus_per_node or accelerator.vendor == "cpu":
        return
    total = hardware.world_size
    nodes = -(-total // accelerator.gpus_per_node)
    yield rule.finding(
        f"gpus_per_node = {hardware.gpus_per_node}, but a node holds {accelerator.gpus_per_node} {accelerator.id}"
        f" joined by {accelerator.intra_node_name}",
        blamed(plan, _PER_NODE),
        f"write nodes = {nodes} and gpus_per_node = {accelerator.gpus_per_node}",
    )


@plan_rule(
    "FT303",
    Severity.NOTE,
    "nodes without a network",
    "What joins the nodes decides which layouts are fast. Without it ftspec checks what fits, not what is reasonable.",
    bad=job(hardware='gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8'),
    good=job(hardware=f'gpu = "H100-SXM5-80GB"  {_TWO_NODES}'),
)
def nodes_have_a_network(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Several nodes and no network."""
    hardware = plan.hardware
    if hardware.nodes > 1 and hardware.network is None and not plan.given("hardware.network"):
        yield rule.finding(
            f"{hardware.nodes} nodes and no network between them is stated",
            blamed(plan, "hardware.nodes"),
            'write network = "InfiniBand-NDR", for instance',
        )


@plan_rule(
    "FT304",
    Severity.WARNING,
    "more memory than the accelerator is sold with",
    "gpu_memory overrides the catalog, for parts that it does not know. Far above the catalog's figure it is more"
    " likely a slip.",
    bad=job(hardware='gpu = "H100-SXM5-80GB"  gpu_memory = 800GB'),
    good=job(hardware='gpu = "H100-SXM5-80GB"  gpu_memory = 80GB'),
)
def memory_is_what_is_sold(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """gpu_memory at most a tenth above the catalog's."""
    sold = plan.hardware.accelerator.memory_bytes
    stated = plan.hardware.gpu_memory_bytes
    if plan.given("hardware.gpu_memory") and stated > 1.1 * sold and plan.hardware.accelerator.vendor != "cpu":
        yield rule.finding(
            f"gpu_memory = {gigabytes(stated)}, but {plan.hardware.gpu} is sold with {gigabytes(sold)}",
            blamed(plan, "hardware.gpu_memory"),
            "leave it out, or name the accelerator that has it",
        )


@plan_rule(
    "FT305",
    Severity.ERROR,
    "bf16 on an accelerator without it",
    "The accelerator has no bf16 arithmetic: kernels fail or fall back to slow emulation.",
    bad=job(hardware='gpu = "V100-SXM2-32GB"', precision="compute = bf16", parallelism="tensor = 2"),
    good=job(hardware='gpu = "V100-SXM2-32GB"', precision="compute = fp16", parallelism="tensor = 2"),
)
def accelerator_has_bf16(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """bf16 anywhere in compute or parameters."""
    precision = plan.precision
    if plan.hardware.accelerator.supports_bf16 or "bf16" not in (precision.compute, precision.parameters):
        return
    path = _COMPUTE if precision.compute == "bf16" else "precision.parameters"
    yield rule.finding(
        f"{plan.hardware.gpu} has no bf16", blamed(plan, path), "write compute = fp16", replacing(plan, path, "fp16")
    )


@plan_rule(
    "FT306",
    Severity.ERROR,
    "fp8 on an accelerator without it",
    "fp8 matrix products need Hopper, Ada or a later generation.",
    bad=job(hardware='gpu = "A100-SXM4-80GB"', training="stack = megatron", precision="compute = fp8"),
    good=job(training="stack = megatron", precision="compute = fp8"),
)
def accelerator_has_fp8(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """compute = fp8."""
    if plan.precision.compute == "fp8" and not plan.hardware.accelerator.supports_fp8:
        best = "bf16" if plan.hardware.accelerator.supports_bf16 else "fp16"
        yield rule.finding(
            f"{plan.hardware.gpu} has no fp8",
            blamed(plan, _COMPUTE),
            f"write compute = {best}",
            replacing(plan, _COMPUTE, best),
        )


@plan_rule(
    "FT307",
    Severity.ERROR,
    "FlashAttention on an accelerator without it",
    "FlashAttention-2 needs compute capability 8.0 or later (or ROCm's kernels on gfx90a and later).",
    bad=job(hardware='gpu = "V100-SXM2-32GB"', training="attention = flash", parallelism="tensor = 2"),
    good=job(hardware='gpu = "V100-SXM2-32GB"', training="attention = sdpa", parallelism="tensor = 2"),
)
def accelerator_has_flash_attention(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """attention = flash."""
    path = "training.attention"
    if plan.training.attention == "flash" and not plan.hardware.accelerator.supports_flash_attention:
        yield rule.finding(
            f"{plan.hardware.gpu} has no FlashAttention",
            blamed(plan, path),
            "write attention = sdpa",
            replacing(plan, path, "sdpa"),
        )


@plan_rule(
    "FT308",
    Severity.ERROR,
    "FlashAttention in fp32",
    "FlashAttention's kernels take fp16 and bf16 only.",
    bad=job(training="attention = flash", precision="compute = fp32"),
    good=job(training="attention = sdpa", precision="compute = fp32"),
)
def flash_attention_is_16_bit(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """attention = flash, written, with compute = fp32."""
    path = "training.attention"
    if plan.training.attention == "flash" and plan.precision.compute == "fp32" and plan.given(path):
        yield rule.finding(
            "FlashAttention computes in 16 bits, and compute is fp32",
            blamed(plan, path),
            "write attention = sdpa",
            replacing(plan, path, "sdpa"),
        )
