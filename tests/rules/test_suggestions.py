"""Layouts that are offered and ways out of too little memory: who writes what they say gets what they say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.commands.explain import all_rules
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.pipeline import check_text
from ftspec.rules.example import job
from tests.rules.checking import findings
from tests.rules.following import complaints, followed, shown_memory, suggestions, written_values

LLAMA_8B = 'from = "meta-llama/Llama-3.1-8B"'
LLAMA_70B = 'from = "meta-llama/Llama-3.1-70B"'
MIXTURE = 'from = "Qwen/Qwen3-30B-A3B"'
MEGATRON, DEEPSPEED = "target megatron {}\n", "target deepspeed {}\n"


def nodes(count: int) -> str:
    return f'gpu = "H100-SXM5-80GB"  nodes = {count}  gpus_per_node = 8  network = "InfiniBand-NDR"'


def text_of(targets: str = "", **blocks: str) -> str:
    """A job with some steps to train, and its targets."""
    blocks["training"] = f"steps = 100  global_batch_size = 64  {blocks.get('training', '')}"
    return job(**blocks) + targets


REFUSED = {
    "experts": text_of(MEGATRON, model=MIXTURE, hardware=nodes(4), parallelism="tensor = 3  zero_stage = 1"),
    "sequence parallelism without tensor": text_of(
        MEGATRON,
        model=LLAMA_8B,
        hardware=nodes(4),
        training="activation_checkpointing = full",
        parallelism="data = 32  sequence_parallel = true  zero_stage = 1",
    ),
    "two stacks": text_of(
        DEEPSPEED + MEGATRON,
        model=LLAMA_8B,
        hardware=nodes(2),
        training="activation_checkpointing = full",
        parallelism="tensor = 8  sequence_parallel = true  zero_stage = 1",
    ),
    "no master copy": text_of(
        model=LLAMA_8B,
        hardware=nodes(2),
        precision="master_parameters = none",
        training="stack = megatron_deepspeed  activation_checkpointing = full",
        parallelism="tensor = 8  pipeline = 2  zero_stage = 3",
    ),
    "accumulation is written": text_of(
        model=LLAMA_8B,
        hardware=nodes(2),
        training="stack = deepspeed  micro_batch_size = 1  gradient_accumulation_steps = 16"
        "  activation_checkpointing = full",
        parallelism="tensor = 1  pipeline = 4  data = 4  zero_stage = 3",
    ),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_layout_that_is_offered_is_legal_and_needs_what_is_said(text: str) -> None:
    before = check_text(text, "job.ft")
    offered = suggestions(next(each.message for each in before.findings if each.code == "FT290"))
    assert len(offered) > 2
    for suggestion in offered:
        after = followed(text, suggestion)
        left = complaints(after)
        assert not [code for code in left if "FT200" < code < "FT290" or code in ("FT331", "FT401", "FT402")]
        assert left <= complaints(before)
        assert shown_memory(after) == suggestion.memory


TOO_LARGE = {
    "logits": text_of(
        DEEPSPEED,
        model=LLAMA_8B,
        training="sequence_length = 128Ki  activation_checkpointing = full",
        parallelism="zero_stage = 3",
    ),
    "eager attention": text_of(
        DEEPSPEED,
        model=LLAMA_8B,
        training="sequence_length = 32Ki  activation_checkpointing = full  attention = eager  loss = fused",
        parallelism="zero_stage = 3",
    ),
    "states on Megatron": text_of(MEGATRON, model=LLAMA_8B, training="activation_checkpointing = full"),
    "experts on Megatron": text_of(
        MEGATRON, model=MIXTURE, training="activation_checkpointing = full", parallelism="zero_stage = 1"
    ),
    "ddp": text_of(model=LLAMA_8B, training="stack = ddp"),
    "ddp with large logits": text_of(training="stack = ddp  sequence_length = 64Ki"),
    "70B on a node": text_of(
        DEEPSPEED, model=LLAMA_70B, training="activation_checkpointing = full", parallelism="zero_stage = 3"
    ),
    "two stacks, data written": text_of(
        DEEPSPEED + MEGATRON,
        model=LLAMA_70B,
        hardware=nodes(4),
        training="micro_batch_size = 4  gradient_accumulation_steps = 1",
        parallelism="tensor = 2  data = 16  zero_stage = 1",
    ),
    "lora": text_of(model=LLAMA_70B, training="stack = ddp  method = lora { rank = 8 }"),
}


@pytest.mark.parametrize("text", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_way_out_does_what_is_said(text: str) -> None:
    before = check_text(text, "job.ft")
    help = next(each.help for each in before.findings if each.code in ("FT401", "FT402"))
    fitting, _, helping = (help or "").partition(". What helps")
    assert fitting.startswith("what makes it fit: ")
    assert suggestions(fitting)
    for suggestion in suggestions(help or ""):
        after = followed(text, suggestion)
        assert complaints(after) <= complaints(before) | ({"FT402"} if help and suggestion.memory in helping else set())
        assert shown_memory(after) == suggestion.memory
    for suggestion in suggestions(fitting):
        assert not complaints(followed(text, suggestion)) & {"FT401", "FT402"}


def test_large_logits_are_answered_by_the_loss() -> None:
    help = next(each.help or "" for each in check_text(TOO_LARGE["logits"], "job.ft").findings if each.code == "FT401")
    assert "loss = fused" in help
    assert "offload" not in help  # it saves a twentieth
    assert "lora" not in help


def test_eager_attention_is_answered_by_flash() -> None:
    text = TOO_LARGE["eager attention"]
    help = next(each.help or "" for each in check_text(text, "job.ft").findings if each.code == "FT401")
    assert help.startswith("what makes it fit: attention = flash (")


def test_hopeless_jobs_are_told_so() -> None:
    found = findings(
        model='from = "meta-llama/Llama-3.1-405B"',
        hardware='gpu = "RTX-4090"  nodes = 1  gpus_per_node = 1',
        training="stack = deepspeed",
    )
    assert (found["FT401"].help or "").startswith("what helps most, though not enough: ")


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from([LLAMA_8B, LLAMA_70B, MIXTURE]),
    targets=st.sampled_from([DEEPSPEED, MEGATRON, DEEPSPEED + MEGATRON]),
    count=st.sampled_from([1, 2, 3, 4]),
    tensor=st.sampled_from([1, 2, 3, 8]),
    pipeline=st.sampled_from([1, 2, 4, 5]),
    stage=st.integers(0, 3),
    length=st.sampled_from(["4Ki", "32Ki"]),
    written=st.sampled_from(["", "data = 4", "virtual_pipeline = 2", "sequence_parallel = true", "context = 2"]),
)
def test_whatever_is_suggested_works(
    model: str, targets: str, count: int, tensor: int, pipeline: int, stage: int, length: str, written: str
) -> None:
    text = text_of(
        targets,
        model=model,
        hardware=nodes(count),
        training=f"sequence_length = {length}",
        parallelism=f"tensor = {tensor}  pipeline = {pipeline}  zero_stage = {stage}  {written}",
    )
    before = check_text(text, "job.ft")
    for finding in before.findings:
        if finding.code not in ("FT290", "FT401", "FT402"):
            continue
        for suggestion in suggestions(finding.message if finding.code == "FT290" else finding.help or ""):
            after = followed(text, suggestion)
            assert complaints(after) <= complaints(before) | {"FT402"}
            assert shown_memory(after) == suggestion.memory


def errors(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.code for finding in findings if finding.severity is Severity.ERROR}


PLAN_RULES = [rule for rule in all_rules().values() if rule.bad and rule.code[2] in "23"]


@pytest.mark.parametrize("rule", PLAN_RULES, ids=lambda rule: rule.code)
def test_what_a_help_says_to_write_removes_its_finding(rule: Rule) -> None:
    before = check_text(rule.bad, "job.ft")
    for finding in before.findings:
        if finding.code != rule.code:
            continue
        for written in written_values(finding.help or ""):
            after = check_text(rule.bad, "job.ft", written)
            assert rule.code not in {each.code for each in after.findings}, written
            assert errors(after.findings) <= errors(before.findings), written


def test_many_helps_are_read_that_way() -> None:
    read = [
        rule.code
        for rule in PLAN_RULES
        for finding in check_text(rule.bad, "job.ft").findings
        if finding.code == rule.code and written_values(finding.help or "")
    ]
    assert len(read) > 40
