"""Statements that are read and not acted on: said, never passed over."""

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.spec.document import Document

NOT_YET_MEANT = declare(
    "FT860",
    Severity.WARNING,
    "a statement is read but has no effect yet",
    "This version parses `import` and `assert` and does not act on them.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
assert parallelism.zero_stage == 3, "the cluster is small"
""",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
""",
)


def without_effect(document: Document) -> list[Finding]:
    """A finding for each `import` and `assert`."""
    spans = [*(each.span for each in document.imports), *(each.span for each in document.assertions)]
    message = "this statement is read but has no effect in this version of ftspec"
    return [NOT_YET_MEANT.finding(message, span, "write what it says where it applies") for span in spans]
