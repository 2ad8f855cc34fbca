"""What a pipeline stage receives from its neighbours."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.numbers import when
from ftspec.memory.step.frame import Frame


def received(frame: Frame) -> int:
    """Activations received from and gradients sent to the neighbour stages, one micro-batch each
    (megatron/core/pipeline_parallel/p2p_communication.py).
    """
    one = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.compute
    return when(frame.plan.parallelism.pipeline > 1, 2 * one)


def passed_on(frame: Frame) -> int:
    """A micro-batch's output, which a stage holds until that has run backward
    (torch/distributed/pipelining/stage.py, `forward_one_chunk`: `fwd_cache`; deepspeed/runtime/pipe/engine.py,
    `_exec_forward_pass`: `pipe_buffers`); on the last stage it is the logits.
    """
    if frame.section.head or frame.plan.training.stack == "megatron":
        return 0
    one = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual
    return when(frame.plan.parallelism.pipeline > 1, one)


def passed_between_stages(frame: Frame) -> Buffers:
    """What Megatron's schedule holds of a stage's neighbours beside its own layers' tensors. Under 1F1B: all stages but
    the first hold the gradient that they sent last; the last one another tensor while it runs forward; the first one
    the gradient that it received until its backward is over
    (megatron/core/pipeline_parallel/schedules.py, `forward_backward_pipelining_without_interleaving`:
    `input_tensor_grad` and `output_tensor_grad` are bound until the next ones come).
    """
    plan, section = frame.plan, frame.section
    if plan.parallelism.virtual_pipeline > 1:
        return Buffers(always=received(frame))
    one = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.compute
    staged, again = plan.parallelism.pipeline > 1, plan.training.gradient_accumulation_steps > 1
    before = when(staged, when(again, one))
    return Buffers(
        always=0 if section.embedding else before,
        forward=before if section.head else 0,
        ends=before if section.head else 0,
        embedding=when(staged, one),
    )
