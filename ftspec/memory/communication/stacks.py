"""Which buffers a stack has."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.ddp import ddp_buffers
from ftspec.memory.communication.deepspeed import deepspeed_buffers
from ftspec.memory.communication.fsdp2 import fsdp2_buffers
from ftspec.memory.communication.megatron import megatron_buffers
from ftspec.memory.communication.megatron_deepspeed import megatron_deepspeed_buffers
from ftspec.memory.communication.pipeline import passed_on
from ftspec.memory.step.frame import Frame


def buffers_of(frame: Frame) -> Buffers:
    """The buffers of a stage, with the output of the micro-batch that runs."""
    return _of_stack(frame)._replace(passed=passed_on(frame))


def _of_stack(frame: Frame) -> Buffers:
    stack = frame.plan.training.stack
    if stack == "fsdp2":
        return fsdp2_buffers(frame)
    if stack == "deepspeed":
        return deepspeed_buffers(frame)
    if stack == "megatron_deepspeed":
        return megatron_deepspeed_buffers(frame)
    if stack == "megatron":
        return megatron_buffers(frame)
    return ddp_buffers(frame)
