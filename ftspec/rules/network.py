"""Rules over facts about networks: a standard has the bandwidth that it has."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ftspec.catalog.hardware import Network
from ftspec.catalog.load_hardware import find_network, network_ids
from ftspec.core.finding import Finding, Severity
from ftspec.core.resources import json_beside
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, gigabits_per_second, replacing

_NETWORK, _BANDWIDTH, _KIND = "hardware.network", "hardware.network.bandwidth", "hardware.network.kind"
_NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8'


@cache
def _facts() -> Mapping[str, Any]:
    return json_beside(__file__, "network_kinds.json")  # type: ignore[no-any-return]


def _catalog_kinds(kind: str) -> list[str]:
    """The catalog's kinds that a kind which a spec may write is; a kind of the catalog is itself."""
    return list(_facts()["kinds"].get(kind, [kind]))


@cache
def _standards(kind: str) -> tuple[Network, ...]:
    """The catalog's networks of a kind."""
    rows = (find_network(identifier) for identifier in network_ids())
    return tuple(row for row in rows if isinstance(row, Network) and row.kind in _catalog_kinds(kind))


@plan_rule(
    "FT320",
    Severity.ERROR,
    "a network standard with another one's bandwidth",
    "The generations of a network differ in nothing but their rate: InfiniBand HDR is 200 Gb/s a port, NDR 400, XDR"
    " 800. A bandwidth that the named standard does not have means that either the name or the number is wrong, and"
    " with it every estimate of communication.",
    bad=job(hardware=f'{_NODES}  network = {{ from = "InfiniBand-HDR"  bandwidth = 400Gbps }}'),
    good=job(hardware=f'{_NODES}  network = {{ from = "InfiniBand-NDR"  bandwidth = 400Gbps }}'),
)
def standard_has_its_bandwidth(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A catalog network with a bandwidth written beside it."""
    network = plan.hardware.network
    if network is None or not plan.given(_BANDWIDTH):
        return
    row = find_network(network.id)
    if not isinstance(row, Network) or row.port_bandwidth == network.port_bandwidth:
        return
    right = [each.id for each in _standards(row.kind) if each.port_bandwidth == network.port_bandwidth]
    fact = f"; {gigabits_per_second(network.port_bandwidth)} is {either(right)}" if right else ""
    names = " or ".join(f'network = "{identifier}"' for identifier in [row.id, *right])
    yield rule.finding(
        f"{row.id} is {gigabits_per_second(row.port_bandwidth)} a port, not"
        f" {gigabits_per_second(network.port_bandwidth)}{fact}",
        blamed(plan, _BANDWIDTH, _NETWORK),
        f"find out which it is, and write {names}",
    )


@plan_rule(
    "FT321",
    Severity.WARNING,
    "a bandwidth that the kind of network does not come in",
    "A port of a kind of network has one of a few rates. A node's total over several ports is not the bandwidth of"
    " one.",
    bad=job(hardware=f"{_NODES}  network = {{ kind = infiniband  bandwidth = 3200Gbps }}"),
    good=job(hardware=f"{_NODES}  network = {{ kind = infiniband  bandwidth = 400Gbps }}"),
)
def kind_comes_in_that_bandwidth(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A described network's bandwidth against the catalog's rows of its kind."""
    network = plan.hardware.network
    if network is None or isinstance(find_network(network.id), Network) or not network.port_bandwidth:
        return
    rates = sorted({row.port_bandwidth for row in _standards(network.kind)})
    if not rates or network.port_bandwidth in rates:
        return
    known = either([gigabits_per_second(rate) for rate in rates])
    rate = next(
        (each for each in reversed(rates) if network.port_bandwidth > rates[-1] and network.port_bandwidth % each == 0),
        None,
    )
    total = f" ({network.port_bandwidth / rate:g} ports of {gigabits_per_second(rate)}?)" if rate else ""
    yield rule.finding(
        f"no {network.kind} port carries {gigabits_per_second(network.port_bandwidth)}{total}; there are {known}",
        blamed(plan, _BANDWIDTH, _NETWORK),
        "write the bandwidth of one port",
    )


@plan_rule(
    "FT322",
    Severity.ERROR,
    "a network without kind or bandwidth",
    "A network that is described instead of named is known by two things: what kind of fabric it is, and what one port"
    " of it carries.",
    bad=job(hardware=f"{_NODES}  network = {{ kind = infiniband }}"),
    good=job(hardware=f"{_NODES}  network = {{ kind = infiniband  bandwidth = 400Gbps }}"),
)
def network_is_described(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A network block without `from` needs kind and bandwidth; a refused value has its own finding."""
    network = plan.hardware.network
    if network is None or isinstance(find_network(network.id), Network):
        return
    missing = [path for path in (_KIND, _BANDWIDTH) if not plan.given(path)]
    if missing:
        rates = [each.port_bandwidth for each in _standards(network.kind)] or [50e9]
        example = {
            _KIND: "kind = infiniband",
            _BANDWIDTH: f"bandwidth = {network_rate(max(rates))}",
        }
        yield rule.finding(
            f"a network that is described needs kind and bandwidth, and this one has no"
            f" {' and no '.join(path.rpartition('.')[2] for path in missing)}",
            blamed(plan, _NETWORK),
            f"write {'  '.join(example[path] for path in missing)} in it, for instance, or name a network of the"
            ' catalog: network = "InfiniBand-NDR"',
        )


def network_rate(bytes_per_second: float) -> str:
    """A rate as a spec writes it: `400Gbps`."""
    return f"{bytes_per_second * 8 / 1e9:g}Gbps"


@plan_rule(
    "FT323",
    Severity.ERROR,
    "a network of another kind than its name",
    "A network of the catalog has the kind that it has; another one written beside it says that one of the two is"
    " wrong.",
    bad=job(hardware=f'{_NODES}  network = {{ from = "InfiniBand-HDR"  kind = ethernet }}'),
    good=job(hardware=f'{_NODES}  network = {{ from = "InfiniBand-HDR"  kind = infiniband }}'),
)
def name_agrees_with_kind(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A written kind against that of the catalog's row."""
    network = plan.hardware.network
    row = find_network(network.id) if network is not None else None
    if network is None or not isinstance(row, Network) or row.kind in _catalog_kinds(network.kind):
        return
    written = [kind for kind, kinds in _facts()["kinds"].items() if row.kind in kinds]
    right = f"write kind = {either(written)}, or leave kind out" if written else "leave kind out"
    yield rule.finding(
        f"{row.id} is {row.kind}, not {network.kind}",
        blamed(plan, _KIND, _NETWORK),
        f"{right}; or name a network that is {network.kind}",
        replacing(plan, _KIND, written[0]) if len(written) == 1 else None,
    )


@plan_rule(
    "FT324",
    Severity.ERROR,
    "NVLink between nodes that it does not join",
    "NVLink joins the GPUs of one node. Only racks such as GB200-NVL72, with NVLink switches between their trays, are"
    " one NVLink domain of several nodes; elsewhere the nodes talk over InfiniBand or Ethernet, many times slower.",
    bad=job(hardware=f"{_NODES}  network = {{ kind = nvlink  bandwidth = 900GB/s }}"),
    good=job(hardware='gpu = "GB200"  nodes = 2  gpus_per_node = 4  network = "NVLink5-NVL72"'),
)
def nvlink_joins_the_nodes(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """An NVLink network between several nodes of accelerators that are built into no NVLink rack."""
    hardware = plan.hardware
    network, racks = hardware.network, _facts()["nvlink_domains"]
    if network is None or hardware.nodes == 1 or not network.kind.startswith("nvlink"):
        return
    if hardware.accelerator.id not in racks:
        yield rule.finding(
            f"NVLink joins the GPUs of a node; between nodes only {either(racks)} racks have it, and these are"
            f" {hardware.gpu}",
            blamed(plan, _KIND, _NETWORK),
            'write what joins the nodes, network = "InfiniBand-NDR" for instance; the NVLink inside a node is known',
        )
