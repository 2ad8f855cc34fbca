"""What decides the operations of a step on one rank."""

from typing import Literal, NamedTuple

from ftspec.catalog.shape import ModelShape


class Adapter(NamedTuple):
    """LoRA beside frozen weights: its rank, its width in bytes, whether it drops out, and the layers that have it."""

    rank: int
    width: int
    dropout: bool
    targets: frozenset[str]


class Setting(NamedTuple):
    """One rank's layers: widths in bytes of products and of weights as the modules hold them, the attention kernel,
    the degrees that divide the matrices and the experts, and whether norms see only this rank's part of the sequence.
    `recomputed`: a Megatron layer's modules that selective checkpointing makes again. `capacity`: how many times its
    even share of the tokens an expert takes at most, or always where it pads. `context_exchange`: how the ranks of a
    context group exchange keys and values (`--cp-comm-type`). `fp8`: products take 8-bit copies of what they read.
    `several`: a micro-batch has more than one sequence, whose heads do not lie one after another: products copy them.
    """

    shape: ModelShape
    compute: int
    parameters: int
    attention: Literal["flash", "sdpa", "eager"]
    tensor: int = 1
    sequence_parallel: bool = False
    adapter: Adapter | None = None
    quantized: bool = False
    expert: int = 1
    expert_tensor: int = 1
    megatron: bool = False
    loss: Literal["standard", "chunked", "fused"] = "standard"
    capacity: float | None = None
    pads_to_capacity: bool = False
    recomputed: frozenset[str] = frozenset()
    context_exchange: str = "p2p"
    fp8: bool = False
    several: bool = False

    @property
    def residual(self) -> int:
        """Width of the residual stream: that of the embedding's output."""
        return self.parameters

    @property
    def autocast(self) -> bool:
        """Whether weights are cast for each product."""
        return self.parameters != self.compute


class Variant(NamedTuple):
    """A layer's place in the training: its own weights are trained, something below it needs a gradient, it has
    experts, and full checkpointing recomputes it.
    """

    trained: bool = True
    input_gradient: bool = True
    experts: bool = False
    recomputed: bool = True

    @property
    def silent(self) -> bool:
        """Whether autograd records nothing here."""
        return not self.trained and not self.input_gradient
