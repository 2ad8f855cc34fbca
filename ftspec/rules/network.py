"""Rules over facts about networks: a standard has the bandwidth that it has."""

from collections.abc import Iterator
from functools import cache

from ftspec.catalog.hardware import Network
from ftspec.catalog.load_hardware import find_network, network_ids
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, gigabits_per_second

_NETWORK, _BANDWIDTH = "hardware.network", "hardware.network.bandwidth"
_NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8'


@cache
def _standards(kind: str) -> tuple[Network, ...]:
    """The catalog's networks of a kind."""
    rows = (find_network(identifier) for identifier in network_ids())
    return tuple(row for row in rows if isinstance(row, Network) and row.kind == kind)


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
    if network is None or isinstance(find_network(network.id), Network):
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
