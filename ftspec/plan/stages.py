"""Which layers lie on which pipeline stage."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: its chunks of layers (one a virtual stage; each a range) and the ends of the model."""

    pipeline_stage: int
    chunks: tuple[range, ...]
    embedding: bool
    head: bool

    @property
    def num_layers(self) -> int:
        """Layers on this stage, over all its chunks."""
        return sum(len(chunk) for chunk in self.chunks)


def lay_out_stages(num_hidden_layers: int, pipeline_parallel: int, virtual_pipeline: int) -> tuple[Stage, ...]:
    """Spread the layers over the stages, as evenly as whole layers allow.

    With `virtual_pipeline` chunks a stage, chunk c of stage p is the (c × pipeline + p)-th piece of the model
    (megatron/core/transformer/transformer_layer.py, `get_transformer_layer_offset`). Where the layers do not
    divide evenly the first pieces get one more (the checker says which framework refuses that).
    """
    pieces = pipeline_parallel * virtual_pipeline
    size, extra = divmod(num_hidden_layers, pieces)
    starts = [piece * size + min(piece, extra) for piece in range(pieces + 1)]
    return tuple(
        Stage(
            pipeline_stage=stage,
            chunks=tuple(
                range(starts[piece], starts[piece + 1])
                for piece in range(stage, pieces, pipeline_parallel)
            ),
            embedding=stage == 0,
            head=stage == pipeline_parallel - 1,
        )
        for stage in range(pipeline_parallel)
    )
