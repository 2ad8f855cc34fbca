"""Which layers lie on which pipeline stage."""

from itertools import accumulate

from ftspec.core.record import record

MOST_PIECES = 2**14
"""The most pieces (stages × chunks) that a model is cut into: no model has as many layers."""


@record
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


def _piece_sizes(num_hidden_layers: int, pieces: int) -> list[int]:
    """Layers in each piece of the model, in order."""
    if num_hidden_layers % pieces and (num_hidden_layers + 2) % pieces == 0 and num_hidden_layers > pieces:
        size = (num_hidden_layers + 2) // pieces
        return [size - (piece == 0) - (piece == pieces - 1) for piece in range(pieces)]
    size, extra = divmod(num_hidden_layers, pieces)
    return [size + (piece < extra) for piece in range(pieces)]


def _uneven_piece_sizes(layers: int, stages: int, chunks: int, first: int, last: int) -> list[int] | None:
    """Layers in each piece where the end stages have so many (0: as many as the others); None where the rest does not
    divide (megatron/core/transformer/transformer_block.py, `get_num_layers_to_build`).
    """
    middle = stages - (first > 0) - (last > 0)
    left = layers - first - last
    if left < 0 or (left % middle if middle else left):
        return None
    each = left // middle if middle else 0
    sizes = [each] * stages
    sizes[0] = first or each
    sizes[-1] = last or sizes[-1]
    if any(size % chunks for size in sizes):
        return None
    return [size // chunks for _ in range(chunks) for size in sizes]


def lay_out_stages(
    num_hidden_layers: int, pipeline_parallel: int, virtual_pipeline: int, first: int = 0, last: int = 0
) -> tuple[Stage, ...]:
    """Spread the layers over the stages, as evenly as whole layers allow.

    With `virtual_pipeline` chunks a stage, chunk c of stage p is the (c × pipeline + p)-th piece of the model
    (megatron/core/transformer/transformer_layer.py, `get_transformer_layer_offset`). Where the layers do not
    divide evenly but would with two more, the embedding and the head count as a layer each, as Llama 3 405B
    was trained (Grattafiori et al. 2024, section 3.3.2). Else the first pieces get one more (the checker says
    which framework refuses that). `first` and `last` are the layers of the end stages where they are said.
    """
    pieces = pipeline_parallel * virtual_pipeline
    sizes = None
    if pipeline_parallel > 1 and (first or last):
        sizes = _uneven_piece_sizes(num_hidden_layers, pipeline_parallel, virtual_pipeline, first, last)
    starts = [0, *accumulate(sizes or _piece_sizes(num_hidden_layers, pieces))]
    return tuple(
        Stage(
            pipeline_stage=stage,
            chunks=tuple(range(starts[piece], starts[piece + 1]) for piece in range(stage, pieces, pipeline_parallel)),
            embedding=stage == 0,
            head=stage == pipeline_parallel - 1,
        )
        for stage in range(pipeline_parallel)
    )
