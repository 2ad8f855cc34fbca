"""DeepSpeed's `estimate_zero2_model_states_mem_needs` and `estimate_zero3_model_states_mem_needs`: states alone.

They count 2 bytes a parameter and 18 sharded ones (16-bit and 32-bit gradients, fp32 master copy, two moments). So they
cover full training whose master copy or parameters are fp32; training in 16 bits throughout cannot be said. On one GPU
ZeRO 2's figure is taken. ZeRO 3's has the largest layer, gathered, on top of the states. No sequence length, batch or
checkpointing goes in, and no activation comes out.
"""

from benchmarks.peers.models import meta_model
from benchmarks.peers.tool import Figures, Tool, of_the_fullest
from ftspec.plan.model import Plan


def is_expressible(plan: Plan) -> bool:
    """Full training with fp32 states, sharded as ZeRO 2 or 3 shards, or on one GPU."""
    layout, precision = plan.parallelism, plan.precision
    full = plan.training.method.kind == "full" and plan.training.optimizer.kind in ("adam", "adamw")
    wide = "fp32" in (precision.parameters, precision.master_parameters)
    wide = wide and precision.optimizer_states == "fp32"
    sharded = plan.training.stack == "fsdp2" or layout.zero_stage >= 2 or plan.hardware.world_size == 1
    return full and wide and sharded and layout.tensor * layout.pipeline * layout.context == 1


def largest_layer(plan: Plan) -> int:
    """The most parameters that one module holds itself, as DeepSpeed's `model_to_params` counts them."""
    modules = meta_model(plan).modules()
    return max(int(sum(each.numel() for each in module.parameters(recurse=False))) for module in modules)


def ask(plan: Plan) -> Figures | None:
    """Its bytes on a GPU; offload as the plan has it."""
    from deepspeed.runtime.zero import stage3, stage_1_and_2

    if not is_expressible(plan):
        return None
    layout, hardware = plan.parallelism, plan.hardware
    offload = layout.offload_optimizer != "none"
    gpus = {"num_gpus_per_node": hardware.gpus_per_node, "num_nodes": hardware.nodes}
    if hardware.world_size > 1 and (plan.training.stack == "fsdp2" or layout.zero_stage == 3):
        _, total, gathered = stage3.estimate_zero3_model_states_mem_needs(
            plan.model.parameters,
            largest_layer(plan),
            cpu_offload=offload,
            cpu_offload_params=layout.offload_parameters != "none",
            **gpus,
        )
    else:
        gathered = 0
        _, total = stage_1_and_2.estimate_zero2_model_states_mem_needs(
            plan.model.parameters, cpu_offload=offload, **gpus
        )
    return Figures(int(total), int(total) - int(gathered))


DEEPSPEED = Tool(
    "DeepSpeed", "deepspeed", "states of full mixed-precision training under ZeRO 2 and 3", of_the_fullest(ask)
)
