"""Every family of rules. Importing this module registers them all: import `plan_findings` from here.

A new rule is a function in its family's module; a new family is a module and its name below.
"""

from ftspec.rules import (
    adapters,
    batch,
    context,
    experts,
    hardware,
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
    stacks,
    storage,
    zero,
)
from ftspec.rules.registry import plan_findings

FAMILIES = (
    layout,
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
    adapters,
    length,
    storage,
    memory,
)
"""The modules, in the order of their codes."""

__all__ = ["FAMILIES", "plan_findings"]
