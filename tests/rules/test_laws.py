"""Laws of all rules: they never raise, their layouts multiply out, their fixes and suggestions work."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.pipeline import check_text
from ftspec.rules.alternatives import working_layouts
from ftspec.rules.example import job
from ftspec.rules.families import FAMILIES
from ftspec.rules.registry import plan_findings
from ftspec.rules.trials import Bench
from tests.rules.checking import applied, plan_of

LARGEST = 2**31 - 1
SMALL = st.integers(1, 12)
STACKS = st.sampled_from(["deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp"])
MODELS = st.sampled_from(
    [
        'from = "meta-llama/Llama-3.2-1B"',
        'from = "mistralai/Mixtral-8x7B-v0.1"  num_hidden_layers = 4',
        'from = "deepseek-ai/DeepSeek-V2-Lite"  num_hidden_layers = 3',
        'from = "openai-community/gpt2"',
    ]
)


@st.composite
def jobs(draw: st.DrawFn) -> str:
    """A small job in which anything may be written, whether or not it goes together."""
    stack, context, expert = draw(STACKS), draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([1, 1, 2, 8]))
    stage, virtual = draw(st.integers(0, 3)), draw(st.sampled_from([1, 1, 2, 3]))
    switch = draw(st.sampled_from(["", "sequence_parallel = true", "distributed_optimizer = true", "schedule = gpipe"]))
    offload = draw(st.sampled_from(["", "offload { optimizer = cpu }", "offload { parameters = nvme }"]))
    precision = draw(
        st.sampled_from(["", "compute = fp16", "compute = fp8", "master_parameters = none", "parameters = fp32"])
    )
    return job(
        model=draw(MODELS),
        hardware=f'gpu = "{draw(st.sampled_from(["H100-SXM5-80GB", "V100-SXM2-32GB", "cpu"]))}"  nodes = {draw(SMALL)}'
        f"  gpus_per_node = {draw(SMALL)}",
        precision=precision,
        training=f"stack = {stack}  sequence_length = {draw(st.sampled_from([512, 1000, 4096]))}  micro_batch_size ="
        f" {draw(SMALL)}  global_batch_size = {draw(st.integers(1, 200))}",
        parallelism=f"tensor = {draw(SMALL)}  pipeline = {draw(SMALL)}  context = {context}  expert = {expert} "
        f" virtual_pipeline = {virtual}  zero_stage = {stage}  {switch}  {offload}",
    )


def errors_of(text: str) -> list[Finding]:
    """All errors of a text."""
    return [each for each in check_text(text, "job.ft").findings if each.severity is Severity.ERROR]


@settings(max_examples=150, deadline=None)
@given(jobs())
def test_any_job_gets_findings_that_say_what_to_write(text: str) -> None:
    for finding in check_text(text, "job.ft").findings:
        assert finding.message[0] != " "
        assert finding.help or finding.severity is Severity.NOTE, finding.code
        assert not finding.message.endswith("."), finding.code


@settings(max_examples=150, deadline=None)
@given(jobs())
def test_a_layout_without_errors_multiplies_out(text: str) -> None:
    checked = check_text(text, "job.ft")
    if any(finding.severity is Severity.ERROR for finding in checked.findings):
        return
    plan = checked.jobs[0].plan
    layout, training = plan.parallelism, plan.training
    assert layout.tensor * layout.pipeline * layout.context * layout.data == plan.hardware.world_size
    assert training.micro_batch_size * training.gradient_accumulation_steps * layout.data == training.global_batch_size
    assert plan.model.shape.num_attention_heads % layout.tensor == 0
    assert (layout.data * layout.context * layout.tensor) % (layout.expert * layout.expert_tensor) == 0 or (
        plan.model.shape.moe is None
    )
    assert all(stage.num_layers for stage in plan.stages)


@settings(max_examples=100, deadline=None)
@given(jobs())
def test_a_fix_removes_its_finding(text: str) -> None:
    for finding in check_text(text, "job.ft").findings:
        if finding.fix is not None and finding.code[2] in "234":
            left = {each.code for each in check_text(applied(text, finding.fix.edits), "job.ft").findings}
            assert finding.code not in left


@settings(max_examples=60, deadline=None)
@given(world=st.sampled_from([(1, 8), (2, 8), (3, 4)]), tensor=st.integers(1, 12), pipeline=st.integers(1, 6))
def test_data_that_is_suggested_works(world: tuple[int, int], tensor: int, pipeline: int) -> None:
    nodes, per_node = world
    text = job(
        hardware=f'gpu = "H100-SXM5-80GB"  nodes = {nodes}  gpus_per_node = {per_node}',
        parallelism=f"tensor = {tensor}  pipeline = {pipeline}  data = 13",
    )
    wrong = next(each for each in errors_of(text) if each.code == "FT201")
    suggested = re.match(r"write data = (\d+)", wrong.help or "")
    if suggested is None:
        assert "does not divide" in wrong.message
    else:
        assert not [
            each for each in errors_of(text.replace("data = 13", f"data = {suggested[1]}")) if each.code == "FT201"
        ]


def test_layouts_that_are_offered_are_legal_and_fit() -> None:
    model = 'from = "meta-llama/Llama-3.1-8B"'
    plan = plan_of(
        model=model,
        training="stack = deepspeed  global_batch_size = 32  activation_checkpointing = full",
        parallelism="pipeline = 4  zero_stage = 3",
    )
    bench = Bench(plan)
    offered = list(working_layouts(bench, nodes=1))
    assert len(offered) > 3
    for trial in offered:
        (candidate,) = bench.plans(trial.changes)
        layout = candidate.parallelism
        assert layout.tensor * layout.pipeline * layout.context * layout.data == plan.hardware.world_size
        assert not [each for each in plan_findings(candidate) if each.severity is Severity.ERROR]
        assert trial.peak_bytes < plan.hardware.usable_memory_bytes


def test_every_family_has_rules() -> None:
    assert len(FAMILIES) == len({family.__name__ for family in FAMILIES})
    for family in FAMILIES:
        assert family.__doc__
        named = vars(family)
        assert "plan_rule" in named or any(isinstance(each, Rule) for each in named.values())


@pytest.mark.parametrize(
    ("hardware", "parallelism"),
    [
        (f'gpu = "h100"  nodes = {LARGEST}  gpus_per_node = {LARGEST}', "tensor = 2"),
        (f'gpu = "h100"  nodes = {LARGEST}  gpus_per_node = 8', "tensor = 2  pipeline = 3"),
        ('gpu = "h100"', f"tensor = {LARGEST}"),
        ('gpu = "h100"', f"context = {LARGEST}"),
        ('gpu = "h100"', f"tensor = 2  data = {LARGEST}"),
    ],
)
def test_absurd_numbers_are_answered(hardware: str, parallelism: str) -> None:
    """Looking for divisors of such numbers one by one would take hours."""
    assert check_text(job(hardware=hardware, training="stack = megatron", parallelism=parallelism), "job.ft").findings
