"""Accelerators, networks and nodes of the catalog, read from its data files into base units.

Data files keep the figures as vendors print them (GB, GB/s, TFLOP/s, Gb/s, for a whole package); here they
become bytes, bytes per second and FLOP/s of one logical device, the thing that a framework sees.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.catalog.hardware import Accelerator, Network, Node
from ftspec.catalog.names import NoMatch, find_part_id, nearest

HARDWARE_FOLDER = os.path.join(os.path.dirname(__file__), "hardware")

_GIB = 2**30
_NVIDIA_SMI_SURPLUS_GIB = 1.05
_USABLE_SHARE = 0.95


@cache
def _rows(kind: str) -> Mapping[str, Any]:
    with open(os.path.join(HARDWARE_FOLDER, f"{kind}.json"), "rb") as file:
        rows = json.load(file)[kind]
    return {row["id"]: row for row in rows}


def accelerator_ids() -> tuple[str, ...]:
    """Every accelerator id."""
    return tuple(_rows("accelerators"))


def network_ids() -> tuple[str, ...]:
    """Every network id."""
    return tuple(_rows("networks"))


def node_ids() -> tuple[str, ...]:
    """Every node id."""
    return tuple(_rows("nodes"))


def _usable_memory(row: Mapping[str, Any]) -> tuple[int, str]:
    """Bytes of one logical device that torch reports as its total, and how that is known.

    Where nobody has reported torch's figure: what nvidia-smi reports less 1.05 GiB, the largest difference
    between the two on parts where both are known; else 95% of the marketed figure read as GiB, just under the
    lowest share seen on a part with HBM (Ascend 910B).
    """
    if row["usable_memory_gib"] is not None:
        return round(row["usable_memory_gib"] * _GIB), row["usable_memory_source"]
    if row.get("nvidia_smi_memory_gib") is not None:
        reported = row["nvidia_smi_memory_gib"] - _NVIDIA_SMI_SURPLUS_GIB
        return round(reported * _GIB), "derived from nvidia-smi's figure"
    share = row["marketed_memory_gb"] / row["logical_devices_per_package"] * _USABLE_SHARE
    return round(share * _GIB), "derived from the marketed figure"


@cache
def _vendors() -> Mapping[str, str]:
    """What else an accelerator goes by: its vendor's name."""
    return {identifier: row["vendor"] for identifier, row in _rows("accelerators").items()}


@cache
def _rates() -> Mapping[str, str]:
    """What else a network goes by: its rate, `400 gbps` or `400gbps`."""
    rates = {identifier: row["gbit_per_port"] for identifier, row in _rows("networks").items()}
    return {identifier: f"{rate} gbps {rate}gbps" for identifier, rate in rates.items()}


@cache
def find_accelerator(name: str) -> Accelerator | NoMatch:
    """The accelerator that an id, a short name or the name that torch reports means.

    Where several boards of a chip fit (`h100`), the SXM board is meant if there is only one: clusters for
    training are built of them.
    """
    rows = _rows("accelerators")
    identifier = next((each for each, row in rows.items() if name in row["device_names"]), None)
    found = identifier or find_part_id(name, tuple(rows), preferred="SXM", described=_vendors())
    if isinstance(found, NoMatch):
        return found
    row = rows[found]
    devices = row["logical_devices_per_package"]
    usable, usable_source = _usable_memory(row)
    price = row["price_usd_per_hour"]
    return Accelerator(
        id=row["id"],
        vendor=row["vendor"],
        memory_bytes=row["marketed_memory_gb"] * 10**9 // devices,
        usable_memory_bytes=usable,
        memory_bandwidth=row["memory_bandwidth_gb_s"] * 1e9 / devices,
        peak_flops={kind: rate * 1e12 / devices for kind, rate in row["peak_tflops_dense"].items()},
        supports_bf16="bf16" in row["supports"],
        supports_fp8="fp8" in row["supports"],
        supports_flash_attention="flash_attention_2" in row["supports"],
        intra_node_name=row["intra_node"]["name"],
        intra_node_bandwidth=row["intra_node"]["gb_s_per_direction"] * 1e9 / devices,
        gpus_per_node=row["gpus_per_node"] * devices,
        compute_capability=row["compute_capability"],
        price_per_gpu_hour=None if price is None else (price["low"] + price["high"]) / 2 / devices,
        price_as_of=None if price is None else price["as_of"],
        thermal_design_power_watts=None if row["tdp_w"] is None else row["tdp_w"] / devices,
        source=row["source"],
        confidence=row["confidence"],
        usable_memory_source=usable_source,
    )


@cache
def find_network(name: str) -> Network | NoMatch:
    """The network that an id or a short name (`ndr`) means."""
    rows = _rows("networks")
    found = find_part_id(name, tuple(rows), described=_rates())
    if isinstance(found, NoMatch):
        return found
    row = rows[found]
    latency = row["latency_us_estimate"]
    return Network(
        id=row["id"],
        kind=row["kind"],
        port_bandwidth=row["gbit_per_port"] * 1e9 / 8,
        data_bandwidth=row["gb_s_per_direction"] * 1e9,
        latency_seconds=None if latency is None else latency / 1e6,
        source=row["source"],
        confidence=row["confidence"],
    )


@cache
def find_node(name: str) -> Node | NoMatch:
    """The node that an id means. `gpus` are logical devices; `nic_bandwidth` is that of one card, one direction."""
    rows = _rows("nodes")
    found = find_part_id(name, tuple(rows))
    if isinstance(found, NoMatch):
        return found
    row = rows[found]
    devices = _rows("accelerators")[row["accelerator"]]["logical_devices_per_package"]
    return Node(
        id=row["id"],
        provider=row["provider"],
        accelerator=row["accelerator"],
        gpus=row["gpus"] * devices,
        nics=row["nics"],
        nic_bandwidth=row["nic_gbit"] * 1e9 / 8,
        network=row["network"],
        host_memory_bytes=None if row["host_ram_gb"] is None else row["host_ram_gb"] * _GIB,
        source=row["source"],
        confidence=row["confidence"],
    )


def accelerator_suggestions(name: str) -> tuple[str, ...]:
    """The accelerator ids most like a name, best first."""
    return nearest(name, accelerator_ids(), _vendors())


def network_suggestions(name: str) -> tuple[str, ...]:
    """The network ids most like a name, best first."""
    return nearest(name, network_ids(), _rates())


def node_suggestions(name: str) -> tuple[str, ...]:
    """The node ids most like a name, best first."""
    return nearest(name, node_ids())
