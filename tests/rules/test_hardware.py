"""GPUs, nodes, networks, storage."""

import pytest

from tests.rules.checking import errors, findings

NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8'


@pytest.mark.parametrize(
    ("tensor", "per_node", "warned"),
    [(8, 8, False), (16, 8, True), (8, 4, True), (4, 4, False), (4, 8, False), (1, 8, False)],
)
def test_tensor_groups_inside_nodes(tensor: int, per_node: int, warned: bool) -> None:
    hardware = (
        f'gpu = "H100-SXM5-80GB"  nodes = {16 // per_node}  gpus_per_node = {per_node}  network = "InfiniBand-NDR"'
    )
    assert ("FT301" in findings(hardware=hardware, parallelism=f"tensor = {tensor}")) is warned


def test_both_bandwidths_are_shown() -> None:
    message = findings(hardware=f'{NODES}  network = "InfiniBand-NDR"', parallelism="tensor = 16")["FT301"].message
    assert "InfiniBand-NDR at 50 GB/s a port" in message
    assert "at 450 GB/s" in message


def test_one_nvlink_domain_over_several_nodes_is_no_boundary() -> None:
    hardware = 'gpu = "GB200"  nodes = 4  gpus_per_node = 4  network = "NVLink5-NVL72"'
    assert "FT301" not in findings(hardware=hardware, parallelism="tensor = 8")


def test_node_that_nobody_builds() -> None:
    finding = findings(hardware='gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 16')["FT302"]
    assert finding.help == "write nodes = 2 and gpus_per_node = 8"


@pytest.mark.parametrize(
    ("nodes", "network", "noted"), [(1, "", False), (2, "", True), (2, 'network = "InfiniBand-NDR"', False)]
)
def test_nodes_want_a_network(nodes: int, network: str, noted: bool) -> None:
    assert ("FT303" in findings(hardware=f'gpu = "h100"  nodes = {nodes}  gpus_per_node = 8  {network}')) is noted


def test_memory_beyond_the_part() -> None:
    assert "FT304" in findings(hardware='gpu = "H100-SXM5-80GB"  gpu_memory = 800GB')
    assert "FT304" not in findings(hardware='gpu = "H100-SXM5-80GB"  gpu_memory = 64GB')


@pytest.mark.parametrize(
    ("gpu", "precision", "training", "code"),
    [
        ("V100-SXM2-32GB", "compute = bf16", "attention = sdpa", "FT305"),
        ("V100-SXM2-32GB", "compute = fp16", "attention = sdpa", None),
        ("A100-SXM4-80GB", "compute = fp8", "stack = megatron", "FT306"),
        ("H100-SXM5-80GB", "compute = fp8", "stack = megatron", None),
        ("V100-SXM2-32GB", "compute = fp16", "attention = flash", "FT307"),
        ("A100-SXM4-80GB", "compute = bf16", "attention = flash", None),
        ("A100-SXM4-80GB", "compute = fp32", "attention = flash", "FT308"),
    ],
)
def test_what_the_accelerator_has_not(gpu: str, precision: str, training: str, code: str | None) -> None:
    found = errors(hardware=f'gpu = "{gpu}"', precision=precision, training=training)
    assert found & {"FT305", "FT306", "FT307", "FT308"} == ({code} if code else set())


def test_hdr_is_200_and_ndr_400() -> None:
    finding = findings(hardware=f'{NODES}  network = {{ from = "InfiniBand-HDR"  bandwidth = 400Gbps }}')["FT320"]
    assert finding.message == "InfiniBand-HDR is 200 Gb/s a port, not 400 Gb/s; 400 Gb/s is InfiniBand-NDR"
    assert finding.help is not None
    assert 'network = "InfiniBand-NDR"' in finding.help


@pytest.mark.parametrize(
    ("network", "code"),
    [
        ('{ from = "InfiniBand-NDR"  bandwidth = 400Gbps }', None),
        ('{ from = "InfiniBand-NDR"  bandwidth = 50GB/s }', None),
        ('{ from = "hdr" }', None),
        ("{ kind = infiniband  bandwidth = 400Gbps }", None),
        ("{ kind = infiniband  bandwidth = 3200Gbps }", "FT321"),
        ("{ kind = infiniband  bandwidth = 333Gbps }", "FT321"),
        ("{ kind = roce  bandwidth = 200Gbps }", None),
        ('"InfiniBand-HDR"', None),
    ],
)
def test_networks_have_the_bandwidth_that_they_have(network: str, code: str | None) -> None:
    found = findings(hardware=f"{NODES}  network = {network}")
    assert {"FT320", "FT321"} & set(found) == ({code} if code else set())


def test_total_of_a_node_is_recognised() -> None:
    finding = findings(hardware=f"{NODES}  network = {{ kind = infiniband  bandwidth = 3200Gbps }}")["FT321"]
    assert "4 ports of 800 Gb/s?" in finding.message


def test_checkpoints_that_never_end() -> None:
    finding = findings(storage="write_bandwidth = 0.1GB/s  checkpoint { every = 10min }")["FT380"]
    assert "17.3 GB" in finding.message  # 14 bytes × 1,235,814,400
    assert "173 s" in finding.message
    assert "FT380" not in findings(storage="write_bandwidth = 10GB/s  checkpoint { every = 10min }")


@pytest.mark.parametrize(
    ("network", "code", "said"),
    [
        ("{ }", "FT322", "has no kind and no bandwidth"),
        ("{ bandwidth = 400Gbps }", "FT322", "has no kind"),
        ("{ kind = infiniband }", "FT322", "has no bandwidth"),
        ('{ from = "InfiniBand-HDR"  kind = ethernet }', "FT323", "InfiniBand-HDR is infiniband, not ethernet"),
        ("{ kind = nvlink  bandwidth = 900GB/s }", "FT324", "GB200 or GB300"),
        ('"NVLink5-NVL72"', "FT324", "H100-SXM5-80GB"),
    ],
)
def test_networks_that_are_not_described(network: str, code: str, said: str) -> None:
    found = findings(hardware=f"{NODES}  network = {network}")
    assert {each for each in found if found[each].severity != "note"} == {code}
    assert said in found[code].message


@pytest.mark.parametrize(
    "network",
    [
        "{ kind = ethernet  bandwidth = 400Gbps }",
        '{ from = "RoCEv2-100"  kind = ethernet }',
        '{ from = "InfiniBand-NDR"  kind = infiniband }',
    ],
)
def test_networks_that_are(network: str) -> None:
    assert not {"FT320", "FT321", "FT322", "FT323"} & set(findings(hardware=f"{NODES}  network = {network}"))


def test_a_refused_bandwidth_is_not_called_zero() -> None:
    found = findings(hardware=f"{NODES}  network = {{ kind = infiniband  bandwidth = 400 }}")
    assert {"FT321", "FT322"}.isdisjoint(found)


@pytest.mark.parametrize(
    ("gpu", "stack", "refused"),
    [
        ("TPU-v4", "deepspeed", True),
        ("TPU-v4", "fsdp2", True),
        ("Trainium1", "megatron", True),
        ("Gaudi3", "megatron", True),
        ("Gaudi3", "deepspeed", False),
        ("Ascend-910B", "deepspeed", False),
        ("cpu", "megatron", True),
        ("cpu", "deepspeed", False),
        ("MI300X", "megatron", False),
    ],
)
def test_stacks_run_on_some_accelerators(gpu: str, stack: str, refused: bool) -> None:
    hardware = f'gpu = "{gpu}"  nodes = 1  gpus_per_node = 2'
    assert ("FT261" in errors(hardware=hardware, training=f"stack = {stack}")) is refused


def test_another_stack_is_named_where_one_runs() -> None:
    assert "deepspeed, megatron_deepspeed, fsdp2 or ddp" in (
        findings(hardware='gpu = "Gaudi2"', training="stack = megatron")["FT261"].help or ""
    )
    assert "stack" not in (findings(hardware='gpu = "TPU-v4"', training="stack = ddp")["FT261"].help or "")
