"""Accelerators, networks and nodes of the catalog."""

from collections.abc import Mapping

from ftspec.core.record import record


@record
class Accelerator:
    """One logical device, as a framework sees it.

    `memory_bytes` is the memory as sold, `usable_memory_bytes` what torch reports as the device's total.
    Rates are bytes per second in one direction; `peak_flops` is dense FLOP/s by data type.
    """

    id: str
    vendor: str
    memory_bytes: int
    usable_memory_bytes: int
    memory_bandwidth: float
    peak_flops: Mapping[str, float]
    supports_bf16: bool
    supports_fp8: bool
    supports_flash_attention: bool
    intra_node_name: str
    intra_node_bandwidth: float
    gpus_per_node: int
    compute_capability: str
    price_per_gpu_hour: float | None
    price_as_of: str | None
    thermal_design_power_watts: float | None
    source: str
    confidence: str
    usable_memory_source: str = ""


@record
class Network:
    """A network between nodes. `port_bandwidth` is the signalling rate of one port in bytes per second
    (NDR: 400 Gb/s = 50e9); `data_bandwidth` what is left for data; `latency_seconds` an estimate.
    """

    id: str
    kind: str
    port_bandwidth: float
    data_bandwidth: float
    latency_seconds: float | None
    source: str
    confidence: str


@record
class Node:
    """A node as sold by a vendor or a cloud: its accelerators and what joins it to the others."""

    id: str
    provider: str
    accelerator: str
    gpus: int
    nics: int
    nic_bandwidth: float
    network: str
    host_memory_bytes: int | None
    source: str
    confidence: str
