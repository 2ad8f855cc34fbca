"""The cluster: the accelerator's row, how many there are, and what joins the nodes."""

from dataclasses import replace

from ftspec.catalog.hardware import Accelerator, Network
from ftspec.catalog.load_hardware import find_accelerator, find_network
from ftspec.catalog.names import NoMatch
from ftspec.plan.codes import MISSING_GPU, UNKNOWN_GPU, UNKNOWN_NETWORK
from ftspec.plan.ledger import Ledger
from ftspec.plan.model import HardwarePlan
from ftspec.plan.no_match import report_no_match
from ftspec.spec.kinds import Auto
from ftspec.spec.model import CustomNetwork, Hardware


def resolve_accelerator(written: Hardware, ledger: Ledger) -> Accelerator | None:
    """The accelerator's catalog row, or None with a finding."""
    if written.gpu is None:
        if not ledger.wrote_into("hardware.gpu"):
            ledger.report(
                MISSING_GPU,
                "hardware",
                "the job names no accelerator",
                'write hardware { gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }',
            )
        return None
    found = find_accelerator(written.gpu)
    if isinstance(found, NoMatch):
        report_no_match(
            ledger,
            UNKNOWN_GPU,
            "hardware.gpu",
            "accelerator",
            written.gpu,
            found,
            "`ftspec catalog hardware` lists them",
        )
        return None
    return found


def _resolve_network(written: str | CustomNetwork | None, nodes: int, ledger: Ledger) -> Network | None:
    path = "hardware.network"
    if written is None:
        return ledger.take(
            path, None, None, "one node needs none" if nodes == 1 else "nothing was said of what joins the nodes"
        )
    ledger.given(path, path)
    if isinstance(written, str):
        return _find_network(written, path, ledger)
    if written.from_ is None:
        return _custom_network(written)
    row = _find_network(written.from_, f"{path}.from", ledger)
    if row is not None and written.kind is not None:
        row = replace(row, kind=written.kind)  # a rule compares it with the catalog's
    return row if row is None or written.bandwidth is None else _with_bandwidth(row, written.bandwidth)


def _find_network(name: str, path: str, ledger: Ledger) -> Network | None:
    found = find_network(name)
    if isinstance(found, NoMatch):
        stated = "A network can be stated: { kind = infiniband  bandwidth = 400Gbps }"
        report_no_match(ledger, UNKNOWN_NETWORK, path, "network", name, found, stated)
        return None
    return found


def _with_bandwidth(row: Network, bandwidth: float) -> Network:
    """A catalog network that is said to have another bandwidth (a rule compares the two)."""
    return replace(row, port_bandwidth=bandwidth, data_bandwidth=bandwidth * row.data_bandwidth / row.port_bandwidth)


def _custom_network(written: CustomNetwork) -> Network:
    """A network that the user describes; what a port signals is taken for what it carries."""
    bandwidth = written.bandwidth or 0.0
    return Network(
        id=written.kind or "custom",
        kind=written.kind or "custom",
        port_bandwidth=bandwidth,
        data_bandwidth=bandwidth,
        latency_seconds=None,
        source="the spec",
        confidence="given",
    )


def _usable_memory(memory: int, accelerator: Accelerator) -> int:
    """Usable bytes of a GPU whose memory was stated.

    A vendor's "80 GB" is 80 GiB less a reserve: either way of writing it means the catalog's GPU. Another
    size has the same share of it to use.
    """
    sold_in_gib = accelerator.memory_bytes * 2**30 // 10**9
    if accelerator.memory_bytes <= memory <= sold_in_gib:
        return accelerator.usable_memory_bytes
    return memory * min(accelerator.usable_memory_bytes, sold_in_gib) // sold_in_gib


def _resolve_nodes(written: int | Auto | None, per_node: int, needed_world_size: int | None, ledger: Ledger) -> int:
    path = "hardware.nodes"
    if isinstance(written, Auto) and needed_world_size is not None:
        formula = "⌈tensor × pipeline × context × data / gpus_per_node⌉"
        return ledger.derive(path, -(-needed_world_size // per_node), formula)
    return ledger.take(path, written, 1, "one node")


def _resolve_memory(written: int | None, accelerator: Accelerator, ledger: Ledger) -> tuple[int, int]:
    """Bytes of one GPU as sold, and those that torch can allocate from."""
    row, usable = accelerator.id, "hardware.usable_memory_bytes"
    memory = ledger.take_or_look_up(
        "hardware.gpu_memory_bytes", written, accelerator.memory_bytes, row, "hardware.gpu_memory"
    )
    if written is None:
        return memory, ledger.look_up(usable, accelerator.usable_memory_bytes, row)
    return memory, ledger.derive(usable, _usable_memory(memory, accelerator), f"gpu_memory × the usable share of {row}")


def resolve_hardware(
    written: Hardware, accelerator: Accelerator, needed_world_size: int | None, ledger: Ledger
) -> HardwarePlan:
    """The cluster with nothing open. `needed_world_size` is what a fully stated layout asks for, in GPUs."""
    row, price = accelerator.id, accelerator.price_per_gpu_hour
    ledger.given("hardware.gpu", "hardware.gpu")
    ledger.look_up("hardware.accelerator", accelerator, row)
    per_node = ledger.take_or_look_up("hardware.gpus_per_node", written.gpus_per_node, accelerator.gpus_per_node, row)
    nodes = _resolve_nodes(written.nodes, per_node, needed_world_size, ledger)
    memory, usable = _resolve_memory(written.gpu_memory, accelerator, ledger)
    priced = f"{row}, {accelerator.price_as_of or 'no price known'}"
    host_memory = ledger.take(
        "hardware.host_memory_bytes", written.host_memory, None, "not stated", "hardware.host_memory"
    )
    return HardwarePlan(
        gpu=row,
        accelerator=accelerator,
        nodes=nodes,
        gpus_per_node=per_node,
        world_size=ledger.derive("hardware.world_size", nodes * per_node, "nodes × gpus_per_node"),
        gpu_memory_bytes=memory,
        usable_memory_bytes=usable,
        network=_resolve_network(written.network, nodes, ledger),
        host_memory_bytes=host_memory,
        price_per_gpu_hour=ledger.take_or_look_up(
            "hardware.price_per_gpu_hour", written.price_per_gpu_hour, price, priced
        ),
    )
