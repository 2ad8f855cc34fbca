"""The parallel degrees, sharding and the pipeline's layout as Megatron's arguments."""

from ftspec.backends.megatron.argument import Argument
from ftspec.plan.model import Plan


def layout_arguments(plan: Plan) -> list[Argument]:
    """Everything that divides the job over the GPUs."""
    layout = plan.parallelism
    arguments = [
        Argument("tensor-model-parallel-size", layout.tensor, "parallelism.tensor"),
        Argument("pipeline-model-parallel-size", layout.pipeline, "parallelism.pipeline"),
        *_pipeline_arguments(plan),
        Argument("context-parallel-size", layout.context, "parallelism.context"),
    ]
    if layout.sequence_parallel and layout.tensor > 1:
        arguments.append(Argument("sequence-parallel", True, "parallelism.sequence_parallel"))
    if plan.model.shape.moe is not None:
        arguments += [
            Argument("expert-model-parallel-size", layout.expert, "parallelism.expert"),
            Argument("expert-tensor-parallel-size", layout.expert_tensor, "parallelism.expert_tensor"),
        ]
    return arguments + _sharding_arguments(plan)


def beside_deepspeed(plan: Plan) -> bool:
    """Whether DeepSpeed runs the optimizer, so that its own file says how states are sharded and offloaded."""
    return plan.training.stack == "megatron_deepspeed"


def shards_states(plan: Plan) -> bool:
    """Whether Megatron's own distributed optimizer runs."""
    return plan.parallelism.distributed_optimizer and not beside_deepspeed(plan)


def offloads_states(plan: Plan) -> bool:
    """Whether Megatron's own optimizer keeps its states in host memory."""
    return plan.parallelism.offload_optimizer == "cpu" and not beside_deepspeed(plan)


def pipeline_layout(plan: Plan) -> str:
    """The stages as Megatron's layout expression, pieces in the order of the model: `Et*5|t*5|t*4L`."""
    chunks = [stage.chunks[chunk] for chunk in range(plan.parallelism.virtual_pipeline) for stage in plan.stages]
    pieces = [f"t*{len(chunk)}" if chunk else "" for chunk in chunks]
    return "E" + "|".join(pieces) + "L"


def divides_evenly(plan: Plan) -> bool:
    """Whether every piece of the pipeline has the same number of layers."""
    return len({len(chunk) for stage in plan.stages for chunk in stage.chunks}) == 1


def _pipeline_arguments(plan: Plan) -> list[Argument]:
    layout = plan.parallelism
    if layout.pipeline == 1:
        return []
    if plan.megatron.first_stage_layers or plan.megatron.last_stage_layers:
        return _uneven_stages(plan)
    if not divides_evenly(plan):
        return [Argument("pipeline-model-parallel-layout", pipeline_layout(plan), "parallelism.pipeline")]
    if layout.virtual_pipeline == 1:
        return []
    layers = len(plan.stages[0].chunks[0])
    return [Argument("num-layers-per-virtual-pipeline-stage", layers, "parallelism.virtual_pipeline")]


def _uneven_stages(plan: Plan) -> list[Argument]:
    """The end stages' layers, which raw flags say, and the chunks of all stages."""
    ends = {"first": plan.megatron.first_stage_layers, "last": plan.megatron.last_stage_layers}
    arguments = [
        Argument(f"decoder-{end}-pipeline-num-layers", layers, f"megatron.{end}_stage_layers")
        for end, layers in ends.items()
        if layers
    ]
    chunks = plan.parallelism.virtual_pipeline
    if chunks > 1:
        arguments.append(Argument("num-virtual-stages-per-pipeline-rank", chunks, "parallelism.virtual_pipeline"))
    return arguments


def _sharding_arguments(plan: Plan) -> list[Argument]:
    layout = plan.parallelism
    arguments: list[Argument] = []
    if shards_states(plan):
        arguments.append(Argument("use-distributed-optimizer", True, "parallelism.distributed_optimizer"))
        if layout.data * layout.context > 1:
            arguments += [
                Argument("overlap-grad-reduce", True, "constant: reduces gradients during the backward pass"),
                Argument("overlap-param-gather", True, "constant: gathers parameters during the forward pass"),
            ]
    if offloads_states(plan):
        arguments.append(Argument("optimizer-cpu-offload", True, "parallelism.offload_optimizer"))
    return arguments
