"""The specs that rules show as bad and good examples: one small job, with what matters written into it."""

LLAMA_1B = 'from = "meta-llama/Llama-3.2-1B"'
"""16 layers, 32 heads, 8 key-value heads, hidden size 2,048: small enough to fit anywhere."""

DEEP_LLAMA = 'from = "meta-llama/Llama-3.2-1B"  num_hidden_layers = 32  vocab_size = 32000'
"""Twice the layers and a small vocabulary: pipeline stages of much the same weight."""

SMALL_MIXTRAL = 'from = "mistralai/Mixtral-8x7B-v0.1"  num_hidden_layers = 2'
"""Two layers of 8 experts."""


def job(
    *,
    model: str = LLAMA_1B,
    hardware: str = 'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8',
    precision: str = "",
    training: str = "",
    parallelism: str = "",
    storage: str = "",
) -> str:
    """A whole spec from what stands in its blocks; a block with nothing in it is left out."""
    blocks = {
        "model": model,
        "hardware": hardware,
        "precision": precision,
        "training": training,
        "parallelism": parallelism,
        "storage": storage,
    }
    return "ft 1\n" + "".join(f"{name} {{ {body} }}\n" for name, body in blocks.items() if body)
