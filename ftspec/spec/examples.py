"""A small job without mistakes, for the examples of the language's own codes."""

JOB = """ft 1
model { from = "Qwen/Qwen2.5-0.5B" }
hardware { gpu = "H100-SXM5-80GB"  gpus_per_node = 8 }
"""


def job(*lines: str) -> str:
    """A whole spec: the small job, then `lines`."""
    return JOB + "".join(f"{line}\n" for line in lines)
