"""Every family of rules. Importing this module registers them all: import `plan_findings` from here.

A new rule is a function in its family's module; a new family is a module and its name below.
"""

from ftspec.core.finding import Finding
from ftspec.plan.model import Plan
from ftspec.rules import (
    accumulation,
    adapter_targets,
    adapters,
    approximation,
    batch,
    context,
    experts,
    hardware,
    host,
    layout,
    length,
    memory,
    network,
    offload,
    optimizer,
    pipeline,
    positions,
    precision,
    schedule,
    shapes,
    stacks,
    storage,
    zero,
)
from ftspec.rules.alternatives import alternative_findings
from ftspec.rules.registry import plan_findings as registered_findings
from ftspec.rules.trials import Bench

FAMILIES = (
    layout,
    shapes,
    positions,
    context,
    pipeline,
    schedule,
    zero,
    offload,
    experts,
    stacks,
    batch,
    hardware,
    network,
    precision,
    optimizer,
    adapter_targets,
    adapters,
    length,
    storage,
    memory,
    host,
    accumulation,
    approximation,
)
"""The modules, in the order of their codes."""


def plan_findings(plan: Plan, bench: Bench | None = None) -> list[Finding]:
    """What all rules find in a plan, and which layouts would work where they refuse its own.

    `bench` tries layouts; it is the job's, where the job has several stacks or targets.
    """
    findings = registered_findings(plan)
    return findings + alternative_findings(plan, findings, bench or Bench(plan))
