"""The specs that Megatron's rules show as bad and good examples."""

from ftspec.rules.example import LLAMA_1B, job

LENGTH = "steps = 1000"
NODE = 'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8'


def megatron_job(
    *,
    model: str = LLAMA_1B,
    hardware: str = NODE,
    precision: str = "",
    training: str = LENGTH,
    parallelism: str = "",
    target: str = "",
) -> str:
    """A whole spec for Megatron from what stands in its blocks."""
    text = job(model=model, hardware=hardware, precision=precision, training=training, parallelism=parallelism)
    return f"{text}target megatron {{ {target} }}\n"
