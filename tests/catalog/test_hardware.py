"""Accelerators, networks and nodes: files fit their schema, units are right, references resolve."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ftspec.catalog.hardware import Accelerator, Network, Node
from ftspec.catalog.load_hardware import (
    HARDWARE_FOLDER,
    accelerator_ids,
    find_accelerator,
    find_network,
    find_node,
    network_ids,
    node_ids,
)
from ftspec.core.resources import resource_path
from tests.reference import reference_json

SCHEMA = Draft202012Validator(json.loads(Path(resource_path("schemas", "hardware.schema.json")).read_bytes()))
GIB = 2**30


def accelerator(name: str) -> Accelerator:
    found = find_accelerator(name)
    assert isinstance(found, Accelerator)
    return found


def network(name: str) -> Network:
    found = find_network(name)
    assert isinstance(found, Network)
    return found


def node(name: str) -> Node:
    found = find_node(name)
    assert isinstance(found, Node)
    return found


@pytest.mark.parametrize("kind", ["accelerators", "networks", "nodes"])
def test_a_file_fits_the_schema(kind: str) -> None:
    rows = json.loads(Path(HARDWARE_FOLDER, f"{kind}.json").read_bytes())
    assert [error.message for error in SCHEMA.iter_errors(rows)] == []
    identifiers = [row["id"].lower() for row in rows[kind]]
    assert len(identifiers) == len(set(identifiers))


def test_the_schema_refuses_a_wrong_row() -> None:
    rows = json.loads(Path(HARDWARE_FOLDER, "accelerators.json").read_bytes())
    Draft202012Validator.check_schema(SCHEMA.schema)
    rows["accelerators"][0]["memory_bandwidth_gb_s"] = 0
    assert not SCHEMA.is_valid(rows)


def test_everything_of_the_reference_is_there() -> None:
    reference = reference_json("catalog/hardware.json")
    assert {row["id"] for row in reference["accelerators"]} <= set(accelerator_ids())
    assert {row["id"] for row in reference["networks"]} == set(network_ids())
    assert {row["id"] for row in reference["node_templates"]} == set(node_ids())


def test_an_h100() -> None:
    row = accelerator("H100-SXM5-80GB")
    assert row.memory_bytes == 80 * 10**9
    assert row.usable_memory_bytes == round(79.11 * GIB)
    assert row.memory_bandwidth == 3.35e12
    assert row.peak_flops["bf16"] == pytest.approx(989.4e12)
    assert row.intra_node_bandwidth == 450e9
    assert (row.supports_bf16, row.supports_fp8, row.supports_flash_attention) == (True, True, True)
    assert row.gpus_per_node == 8


def test_what_a_v100_lacks() -> None:
    row = accelerator("V100-SXM2-16GB")
    assert (row.supports_bf16, row.supports_fp8, row.supports_flash_attention) == (False, False, False)
    assert "bf16" not in row.peak_flops


def test_a_package_of_two_devices_is_two_devices() -> None:
    row = accelerator("MI250X")
    assert row.memory_bytes == 64 * 10**9
    assert row.peak_flops["bf16"] == 191.5e12
    assert row.gpus_per_node == 8
    assert node("frontier-node").gpus == 8


@pytest.mark.parametrize("identifier", accelerator_ids())
def test_usable_memory_is_near_what_is_sold(identifier: str) -> None:
    row = accelerator(identifier)
    assert 0.90 * row.memory_bytes / 10**9 * GIB <= row.usable_memory_bytes <= row.memory_bytes / 10**9 * GIB
    assert row.usable_memory_source
    assert row.supports_bf16 == ("bf16" in row.peak_flops)
    assert row.price_per_gpu_hour is None or row.price_as_of


def test_memory_that_nobody_reported_is_derived() -> None:
    reported = accelerator("B300-SXM6-288GB")
    assert reported.usable_memory_bytes == round((268.59 - 1.05) * GIB)
    assert "nvidia-smi" in reported.usable_memory_source
    unknown = accelerator("GH200-144GB")
    assert unknown.usable_memory_bytes == round(144 * 0.95 * GIB)
    assert "derived" in unknown.usable_memory_source


@pytest.mark.parametrize(("name", "gigabits"), [("InfiniBand-HDR", 200), ("InfiniBand-NDR", 400), ("EFA-v2", 100)])
def test_a_port_s_rate_is_in_bytes(name: str, gigabits: int) -> None:
    assert network(name).port_bandwidth == gigabits * 10**9 / 8


@pytest.mark.parametrize("identifier", network_ids())
def test_a_port_carries_no_more_than_it_signals(identifier: str) -> None:
    row = network(identifier)
    assert 0 < row.data_bandwidth <= row.port_bandwidth
    assert row.latency_seconds is None or 0 < row.latency_seconds < 1e-3


@pytest.mark.parametrize("identifier", node_ids())
def test_a_node_s_parts_are_in_the_catalog(identifier: str) -> None:
    row = node(identifier)
    assert accelerator(row.accelerator).id == row.accelerator
    assert network(row.network).id == row.network
    assert row.gpus <= accelerator(row.accelerator).gpus_per_node or row.accelerator.startswith(("GH200", "A10"))
    assert row.host_memory_bytes is None or row.host_memory_bytes >= 100 * GIB
