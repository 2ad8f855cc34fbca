"""Tracing a case: the first steps of one rank."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn.parallel import DistributedDataParallel

from tests.oracles.distributed.case import Case
from tests.oracles.distributed.fully_sharded import shard
from tests.oracles.distributed.pipeline import buffers_of, schedule, stage_of
from tests.oracles.distributed.replicated import replicate
from tests.oracles.distributed.tensor_parallel import lengths, parallelize
from tests.oracles.distributed.tracker import fake_world, peak_of, tracked
from tests.oracles.traces.build import build


def _optimizer(model: Any, case: Case) -> torch.optim.Optimizer:
    """AdamW over what is trained; on DTensors of two meshes one tensor at a time."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if case.tensor > 1:
        return torch.optim.AdamW(trained, lr=1e-5, foreach=False)
    return torch.optim.AdamW(trained, lr=1e-5, fused=True)


def _autocast(case: Case) -> torch.autocast:
    """Where no mixed-precision policy casts the weights of fp32 modules."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.dtype == "fp32" and not case.sharded)


def _ids(case: Case) -> torch.Tensor:
    return torch.zeros((case.micro_batch_size, case.sequence_length), dtype=torch.long)


Running = tuple[Any, Callable[[], list[torch.Tensor]], Callable[[Callable[[], None]], None]]
"""A model, what exists beside its states, and its forward and backward passes, which call back before each forward."""


def _whole_model(case: Case, meshes: dict[str, DeviceMesh]) -> Running:
    """The whole model under its parallelism."""
    model, buckets = build(case), []
    if case.tensor > 1:
        parallelize(model, meshes["tensor"], case)
    if case.sharded:
        model = shard(model, meshes["data"], case, case.num_hidden_layers)
    elif case.data > 1:
        model, buckets = replicate(model)
    held = None

    def passes(before_forward: Callable[[], None]) -> None:
        nonlocal held
        for index in range(case.accumulation):
            before_forward()
            silent = index < case.accumulation - 1 and isinstance(model, DistributedDataParallel)
            with ExitStack() as stack:
                stack.enter_context(model.no_sync() if silent else nullcontext())
                stack.enter_context(loss_parallel() if case.tensor > 1 else nullcontext())
                with _autocast(case):
                    held = model(input_ids=_ids(case), labels=_ids(case), **lengths(case))
                held.loss.backward()

    return model, lambda: buckets, passes


def _one_stage(case: Case, meshes: dict[str, DeviceMesh]) -> Running:
    """One stage of a pipeline."""
    whole = build(case)
    width, vocabulary = whole.config.hidden_size, whole.config.vocab_size
    stage = stage_of(whole, case)
    if case.sharded:
        stage = shard(stage, meshes["data"], case, len(stage.decoder.layers))
    plan = schedule(stage, case, meshes["pipeline"].get_group(), width, vocabulary)
    ids = torch.cat([_ids(case)] * case.accumulation)

    forward = plan._stage.forward_one_chunk

    def passes(before_forward: Callable[[], None]) -> None:
        last = {"target": ids, "losses": []} if case.stage == case.pipeline - 1 else {}
        plan._stage.forward_one_chunk = lambda *args, **kwargs: (before_forward(), forward(*args, **kwargs))[1]
        with _autocast(case):
            plan.step(*([ids] if case.stage == 0 else []), return_outputs=False, **last)

    return stage, lambda: [*buffers_of(plan), ids], passes


def trace(case: Case) -> dict[str, int]:
    """Bytes by category at the peak of the third step: the optimizer's states exist, and what a step leaves behind was
    counted in the second.
    """
    with fake_world(case.ranks, case.stage * case.data * case.tensor):
        names = ("pipeline", "data", "tensor")
        mesh = init_device_mesh("cpu", (case.pipeline, case.data, case.tensor), mesh_dim_names=names)
        meshes = {name: mesh[name] for name in names}
        with FakeTensorMode(allow_non_fake_inputs=True):
            model, held, passes = (_one_stage if case.pipeline > 1 else _whole_model)(case, meshes)
            optimizer = _optimizer(model, case)

            def step(before_forward: Callable[[], None] = lambda: None) -> None:
                passes(before_forward)
                optimizer.step()
                optimizer.zero_grad()

            step()
            with tracked(model, optimizer, *held()) as tracker:
                step(tracker.reset_mod_stats)
                step(tracker.reset_mod_stats)
            return peak_of(tracker)
