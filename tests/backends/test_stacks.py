"""What a stack cannot do is refused with its target and without it, and once."""

from collections import Counter

import pytest

from ftspec.core.finding import Severity
from ftspec.pipeline import check_text
from ftspec.rules.example import job

OFFLOADED = "zero_stage = 1  offload { optimizer = cpu }"
REFUSED = [
    ("megatron", {"training": "method = lora { rank = 16 }"}, "FT600"),
    ("megatron", {"training": "method = qlora { rank = 16 }"}, "FT600"),
    ("megatron", {"training": "method = partial { last_layers = 2 }"}, "FT600"),
    ("megatron", {"training": "optimizer = adafactor"}, "FT604"),
    ("megatron", {"training": "optimizer = adamw_8bit"}, "FT604"),
    ("megatron", {"training": "loss = chunked"}, "FT606"),
    ("megatron", {"precision": "compute = bf16  parameters = fp32"}, "FT611"),
    ("megatron", {"precision": "compute = fp32  gradients = bf16", "training": "attention = sdpa"}, "FT613"),
    ("megatron", {"precision": "optimizer_states = bf16"}, "FT614"),
    ("megatron", {"precision": "compute = fp16", "training": "optimizer = lion"}, "FT630"),
    (
        "megatron",
        {"training": "optimizer = sgd", "parallelism": "zero_stage = 1  offload { optimizer = cpu }"},
        "FT603",
    ),
    ("megatron_deepspeed", {"training": "method = lora { rank = 16 }"}, "FT600"),
    ("megatron_deepspeed", {"training": "loss = chunked"}, "FT606"),
    ("megatron_deepspeed", {"training": "optimizer = adafactor", "parallelism": "zero_stage = 1"}, "FT531"),
    ("deepspeed", {"training": "optimizer = adafactor", "parallelism": "zero_stage = 2"}, "FT531"),
    ("deepspeed", {"precision": "compute = bf16  gradients = fp32", "parallelism": "zero_stage = 0"}, "FT511"),
    ("deepspeed", {"precision": "optimizer_states = bf16", "parallelism": "zero_stage = 1"}, "FT513"),
    ("deepspeed", {"parallelism": "tensor = 2  context = 2  zero_stage = 1"}, "FT551"),
    (
        "deepspeed",
        {"training": "optimizer = adamw_8bit", "parallelism": "zero_stage = 2  offload { optimizer = cpu }"},
        "FT525",
    ),
]


def errors(stack: str, blocks: dict[str, str], target: str = "") -> Counter[str]:
    training = f"stack = {stack}  {blocks.get('training', '')}"
    found = check_text(job(**{**blocks, "training": training}) + target, "job.ft").findings
    return Counter(finding.code for finding in found if finding.severity is Severity.ERROR)


@pytest.mark.parametrize(("stack", "blocks", "code"), REFUSED)
@pytest.mark.parametrize("targets", [(), ("hydra",), ("deepspeed",), ("megatron",)])
def test_a_refusal_of_the_stack_is_said_once(
    stack: str, blocks: dict[str, str], code: str, targets: tuple[str, ...]
) -> None:
    text = "".join(f"target {name} {{}}\n" for name in targets)
    assert errors(stack, blocks, text)[code] == 1


@pytest.mark.parametrize("stack", ["deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp"])
def test_a_plain_job_is_refused_by_none(stack: str) -> None:
    sharded = {"parallelism": "zero_stage = 3"} if stack == "fsdp2" else {"parallelism": "zero_stage = 0"}
    assert not errors(stack, sharded)


def test_what_only_a_file_must_say_is_not_asked_of_the_stack() -> None:
    cosine = {"training": "learning_rate_scheduler = cosine { warmup_steps = 10 }"}
    assert errors("deepspeed", cosine)["FT540"] == 0
    assert errors("deepspeed", cosine, "target deepspeed {}\n")["FT540"] == 1


def test_it_points_at_what_was_written() -> None:
    text = job(training="stack = megatron\n  loss = chunked")
    (finding,) = [each for each in check_text(text, "job.ft").findings if each.code == "FT606"]
    assert text.splitlines()[finding.span.line - 1].strip().startswith("loss = chunked")
