"""A machine with one GPU, as far as Megatron and Transformer Engine ask: what needs it does nothing, or is the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from tests.oracles import transformer_engine_kernels
from tests.oracles.megatron_oracle import patch

CAUSAL = 2
"""`AttnMaskType.causal`: the only whole number that a step reads from a tensor."""


class Nothing:
    """A stream, an event or a kernel's launch: whatever is asked of it, nothing happens."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "Nothing":
        return self

    def __getattr__(self, name: str) -> "Nothing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _: Any) -> "Nothing":
        return self


def prepare() -> None:
    """Once in a process, before anything of Megatron is imported."""
    _one_device()
    transformer_engine_kernels.load()
    patch()
    from megatron.core.extensions.transformer_engine import fused_apply_rotary_pos_emb
    from megatron.core.models.common.embeddings import rope_utils

    rope_utils.fused_apply_rotary_pos_emb = fused_apply_rotary_pos_emb
    _hopper()
    _compiled_functions()
    _known_routing()
    _nothing_random()
    _nothing_sent()


def _hopper() -> None:
    import torch

    hopper = SimpleNamespace(major=9, minor=0, multi_processor_count=132)
    torch.cuda.get_device_properties = lambda *_, **__: hopper
    torch.cuda.get_device_capability = lambda *_, **__: (9, 0)


def _one_device() -> None:
    """What is asked for on a GPU is made on the CPU; a tensor made of known numbers remembers them."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensor

    def on_the_cpu(make: Any) -> Any:
        def made(*values: Any, device: Any = None, **named: Any) -> Any:
            named.pop("pin_memory", None)
            return make(*values, device="cpu" if str(device).startswith("cuda") else device, **named)

        return made

    def remembering(make: Any, numbers: Any) -> Any:
        def made(*values: Any, **named: Any) -> Any:
            tensor = make(*values, **named)
            tensor.numbers = numbers(tensor, values)
            return tensor

        return made

    for name in ("empty", "zeros", "ones", "arange", "full", "tensor", "empty_like", "zeros_like"):
        setattr(torch, name, on_the_cpu(getattr(torch, name)))
    torch.tensor = remembering(torch.tensor, lambda _, values: values[0])
    torch.full = remembering(torch.full, lambda tensor, values: [values[1]] * tensor.numel())
    for kind in ("Stream", "Event"):
        setattr(torch.cuda, kind, Nothing)
    for name in ("current_stream", "default_stream"):
        setattr(torch.cuda, name, Nothing())
    torch.cuda.stream = lambda _: nullcontext()
    torch.cuda.current_device = lambda: torch.device("cpu")
    torch.cuda.synchronize = lambda *_, **__: None
    torch.cuda.is_current_stream_capturing = lambda: False
    _hopper()
    typed = torch.Tensor.type
    torch.Tensor.type = lambda self, *to: typed(self, *to) if to else f"torch.cuda.{typed(self).rpartition('.')[2]}"
    torch.Tensor.cuda = lambda self, *_, **__: self
    fake: Any = FakeTensor
    fake.is_cuda = property(lambda _: True)
    fake.item = lambda self: 0.0 if self.is_floating_point() else CAUSAL
    fake.__bool__ = lambda _: False
    fake.tolist = lambda self: list(getattr(self, "numbers", range(len(self))))  # else the order of chunks


def _compiled_functions() -> None:
    """What Megatron compiles for a GPU (`jit_fuser`) makes its outputs and nothing else."""
    import torch
    from megatron.core.fusions import fused_bias_dropout, fused_bias_swiglu

    def halved(y: Any, *_: Any) -> Any:
        return y.new_empty((*y.shape[:-1], y.shape[-1] // 2))

    swiglu: Any = fused_bias_swiglu
    swiglu.swiglu = swiglu.weighted_swiglu = halved
    swiglu.swiglu_back = lambda _, y: torch.empty_like(y)
    swiglu.weighted_swiglu_back = lambda _, y, weights: (torch.empty_like(y), torch.empty_like(weights))
    dropout: Any = fused_bias_dropout
    dropout.bias_dropout_add_fused_train = lambda x_with_bias, residual, _: residual + x_with_bias[0]


def _known_routing() -> None:
    """Tokens are spread evenly over experts, so that what would be read from the router's tensors is known; the kernels
    of latent attention's rotary embedding write where their callers say.
    """
    import numpy
    from megatron.core.fusions import fused_mla_yarn_rope_apply
    from megatron.core.transformer.moe.token_dispatcher import MoEAlltoAllTokenDispatcher

    for name in list(vars(fused_mla_yarn_rope_apply)):
        if name.endswith("_kernel"):
            setattr(fused_mla_yarn_rope_apply, name, Nothing())

    def known(self: Any, point: str, tokens_per_expert: Any = None) -> Any:
        if self.drop_and_pad or point != self.cuda_dtoh_point:
            return tokens_per_expert
        each, local = self.num_out_tokens // self.num_experts, self.num_local_experts
        if self.ep_size > 1 or self.tp_size > 1:
            self.input_splits = self.output_splits = numpy.full(self.ep_size, each * local)
            self.output_splits_tp = numpy.full(self.tp_size, each * local * self.ep_size)
        self.num_global_tokens_per_local_expert = numpy.full((self.tp_size * self.ep_size, local), each)
        return numpy.full(local, each * self.ep_size * self.tp_size)

    MoEAlltoAllTokenDispatcher._maybe_dtoh_and_synchronize = known


def _nothing_random() -> None:
    """The states of random generators are not the step's memory."""
    import torch
    from megatron.core.tensor_parallel import random
    from transformer_engine.pytorch import distributed

    generators: Any = random
    generators._get_all_rng_states = lambda: ()
    generators._set_all_rng_states = lambda *_: None
    engine: Any = distributed
    engine._get_cuda_rng_state = engine._set_cuda_rng_state = lambda *_, **__: None
    torch.get_rng_state, torch.set_rng_state = lambda: None, lambda _: None
    generators.CudaRNGStatesTracker.fork = lambda *_, **__: nullcontext()


@contextmanager
def _together(*_: Any, **__: Any) -> Iterator[Any]:
    """Collectives that go out together need no more memory than one by one."""
    yield SimpleNamespace(wait=lambda: None)


def _nothing_sent() -> None:
    """Objects that ranks would exchange are everybody's own."""
    import torch.distributed
    from megatron.core.distributed import param_and_grad_buffer

    def gathered(places: list[Any], mine: Any, *_: Any, **__: Any) -> None:
        places[:] = [mine] * len(places)

    torch.distributed.all_gather_object = gathered
    buffers: Any = param_and_grad_buffer
    buffers._coalescing_manager = _together
