"""What helps say to write, case by case, where the obvious answer would be wrong."""

import pytest

from tests.rules.checking import errors, findings

LLAMA_8B = 'from = "meta-llama/Llama-3.1-8B"'


def hardware(nodes: int, per_node: int = 8) -> str:
    return f'gpu = "H100-SXM5-80GB"  nodes = {nodes}  gpus_per_node = {per_node}  network = "InfiniBand-NDR"'


def help_of(code: str, **blocks: str) -> str:
    return findings(**blocks)[code].help or ""


def test_61_layers_are_offered_the_pipelines_that_divide_them_and_the_nodes_for_those() -> None:
    blocks = {"model": 'from = "deepseek-ai/DeepSeek-V3"', "training": "stack = megatron"}
    layout = "tensor = 8  sequence_parallel = true  zero_stage = 1"
    help = help_of("FT221", **blocks, hardware=hardware(16), parallelism=f"{layout}  pipeline = 16")
    assert help.startswith("write pipeline = 1, or pipeline = 7 with nodes = 14, or pipeline = 9 with nodes = 18")
    for pipeline, nodes in ((1, 16), (7, 14), (9, 18)):
        found = errors(**blocks, hardware=hardware(nodes), parallelism=f"{layout}  pipeline = {pipeline}")
        assert not {code for code in found if code < "FT300"}


@pytest.mark.parametrize(("model", "nodes", "per_node", "pipeline"), [(LLAMA_8B, 2, 8, 8), ('from = "gpt2"', 1, 6, 6)])
def test_a_shorter_pipeline_has_lighter_ends(model: str, nodes: int, per_node: int, pipeline: int) -> None:
    blocks = {"model": model, "hardware": hardware(nodes, per_node), "training": "global_batch_size = 240"}
    help = help_of("FT224", **blocks, parallelism=f"pipeline = {pipeline}")
    assert help.startswith("write pipeline = 1 or 2,")
    assert "FT224" not in findings(**blocks, parallelism="pipeline = 2")


@pytest.mark.parametrize(
    ("written", "advised"),
    [
        ("global_batch_size = 8", "write global_batch_size = 56 (28 micro-batches) for"),
        ("gradient_accumulation_steps = 4", "write gradient_accumulation_steps = 28 for"),
        (
            "gradient_accumulation_steps = 4  global_batch_size = 8",
            "write gradient_accumulation_steps = 28 with global_batch_size = 56 for",
        ),
    ],
)
def test_a_bubble_is_made_smaller_where_the_batch_is_written(written: str, advised: str) -> None:
    assert help_of("FT235", model=LLAMA_8B, training=written, parallelism="pipeline = 4").startswith(advised)


def test_one_divisor_is_said_once() -> None:
    two = hardware(1, 2)
    found = findings(hardware=two, training="stack = deepspeed  sequence_length = 4097", parallelism="context = 2")
    assert found["FT217"].message == "sequence_length = 4,097 does not divide by context = 2"
    found = findings(training="stack = megatron  sequence_length = 4098", parallelism="context = 4")
    assert found["FT217"].message == "sequence_length = 4,098 does not divide by 2 × context 4 = 8"
    layout = "tensor = 8  sequence_parallel = true"
    found = findings(training="stack = megatron  sequence_length = 4097", parallelism=layout)
    assert "does not divide by tensor = 8, as" in found["FT216"].message


def test_degrees_for_the_gpus_suit_the_model_too() -> None:
    assert help_of("FT201", hardware=hardware(3), parallelism="tensor = 5") == (
        "what would divide them: tensor = 2, 4 or 8"
    )


@pytest.mark.parametrize(
    ("stack", "layout", "advised"),
    [
        ("ddp", "zero_stage = 3", "write zero_stage = 0, as ddp shards nothing, or run the job on deepspeed"),
        ("megatron", "zero_stage = 3", "write zero_stage = 1, or run the job on deepspeed"),
        ("fsdp2", "zero_stage = 1", "write zero_stage = 3, or 2 to keep weights gathered from forward to backward"),
        ("fsdp2", "zero_stage = 0", "write zero_stage = 3, or 2 to keep weights gathered from forward to backward"),
        ("deepspeed", "pipeline = 2  virtual_pipeline = 2", "write virtual_pipeline = 1, or run the job on megatron"),
    ],
)
def test_what_a_stack_lacks_is_answered_for_that_stack(stack: str, layout: str, advised: str) -> None:
    assert help_of("FT260", training=f"stack = {stack}", parallelism=layout).startswith(advised)


def test_no_batch_above_the_largest_number_is_offered() -> None:
    assert help_of("FT280", training="global_batch_size = 2147483647  micro_batch_size = 1") == (
        "write global_batch_size = 2147483640"
    )


@pytest.mark.parametrize(("steps", "advised"), [(1000, "10 or 50"), (100, "2 or 5"), (10, "2"), (2, "0")])
def test_a_warm_up_that_fits(steps: int, advised: str) -> None:
    scheduler = f"learning_rate_scheduler = cosine {{ warmup_steps = {steps} }}  steps = {steps}"
    assert help_of("FT353", training=scheduler).startswith(f"write warmup_steps = {advised}, or")


def test_a_constant_schedule_of_another_length_is_said_too() -> None:
    scheduler = "learning_rate_scheduler = constant { total_steps = 3 }  steps = 200"
    assert "FT354" in findings(training=scheduler)


@pytest.mark.parametrize("length", ["tokens = 1", "epochs = 1e-20  dataset { tokens = 1B }"])
def test_a_job_shorter_than_a_step(length: str) -> None:
    assert "FT376" in errors(training=length)


@pytest.mark.parametrize("length", ["tokens = 32768", "steps = 1", "epochs = 1  dataset { tokens = 1B }"])
def test_a_job_of_a_step_or_more(length: str) -> None:
    assert "FT376" not in errors(training=length)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_adapters_on_nothing_train_nothing(method: str) -> None:
    assert "FT364" in errors(training=f"stack = ddp  method = {method} {{ targets = [] }}")
    assert "FT364" not in errors(training=f"stack = ddp  method = {method} {{ targets = attention }}")


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ('from = "deepseek-ai/DeepSeek-V3"  moe { first_k_dense_replace = 100 }', "FT209"),
        ('from = "deepseek-ai/DeepSeek-V3"  moe { first_k_dense_replace = 61 }', "FT209"),
        ('from = "deepseek-ai/DeepSeek-V3"  mla { qk_rope_head_dim = 63 }', "FT210"),
        (f"{LLAMA_8B}  head_dim = 3", "FT210"),
        (f"{LLAMA_8B}  vocab_size = 1", "FT211"),
    ],
)
def test_shapes_that_no_model_has(model: str, code: str) -> None:
    assert code in errors(model=model)


@pytest.mark.parametrize(
    "model", ['from = "deepseek-ai/DeepSeek-V3"', 'from = "gpt2"  hidden_size = 756', f"{LLAMA_8B}  vocab_size = 2"]
)
def test_shapes_that_models_have(model: str) -> None:
    assert not errors(model=model) & {"FT209", "FT210", "FT211"}


def test_a_table_of_positions_can_be_longer() -> None:
    help = help_of("FT212", model='from = "gpt2"', training="sequence_length = 2Ki")
    assert help.startswith("write sequence_length = 1024; ")
    assert "max_position_embeddings = 2048" in help
    assert "FT212" not in findings(
        model='from = "gpt2"  max_position_embeddings = 2048', training="sequence_length = 2Ki"
    )
