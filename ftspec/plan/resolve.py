"""Spec to plan: every value decided, every decision with its origin."""

import math
import os
from types import MappingProxyType

from ftspec.core.finding import Finding
from ftspec.plan.codes import TOO_MANY_STAGES
from ftspec.plan.hardware import resolve_accelerator, resolve_hardware
from ftspec.plan.ledger import Ledger
from ftspec.plan.megatron_settings import end_stages, resolve_megatron_settings
from ftspec.plan.model import Plan, Stack
from ftspec.plan.model_row import resolve_model
from ftspec.plan.parallelism import needed_world_size, resolve_parallelism
from ftspec.plan.precision import resolve_precision
from ftspec.plan.stages import MOST_PIECES, lay_out_stages
from ftspec.plan.storage import resolve_storage
from ftspec.plan.training import resolve_training
from ftspec.plan.zero_settings import resolve_zero_settings
from ftspec.spec.document import Document
from ftspec.spec.model import Parallelism
from ftspec.spec.optimizers import OptimizerChoice


def _job_name(document: Document, ledger: Ledger) -> str:
    stem = os.path.splitext(os.path.basename(document.path))[0] or "job"
    return ledger.take("name", document.spec.name, stem, "the file's name")


def _can_be_laid_out(written: Parallelism, ledger: Ledger) -> bool:
    degrees = {"pipeline": written.pipeline, "virtual_pipeline": written.virtual_pipeline}
    counts = {name: degree for name, degree in degrees.items() if isinstance(degree, int)}
    pieces = math.prod(counts.values())
    if pieces <= MOST_PIECES:
        return True
    largest = max(counts, key=lambda name: counts[name])
    written_out = " × ".join(f"{name} {count:,}" for name, count in counts.items())
    message = f"{written_out} makes more pieces than any model has layers"
    ledger.report(TOO_MANY_STAGES, f"parallelism.{largest}", message, "write at most the model's number of layers")
    return False


def resolve(document: Document, stack: Stack) -> tuple[Plan | None, list[Finding]]:
    """The plan of a document on one stack, or None where the model or the hardware cannot be known.

    A plan that comes back is complete, but not yet legal: the rules say what is wrong with it.
    """
    spec = document.spec
    ledger = Ledger(document.places)
    name = _job_name(document, ledger)
    model = resolve_model(spec.model, name, document.path, ledger)
    accelerator = resolve_accelerator(spec.hardware, ledger)
    if model is None or accelerator is None:
        return None, ledger.findings
    hardware = resolve_hardware(spec.hardware, accelerator, needed_world_size(spec.parallelism), ledger)
    if not _can_be_laid_out(spec.parallelism, ledger):
        return None, ledger.findings
    parallelism = resolve_parallelism(spec.parallelism, hardware.world_size, stack, ledger)
    optimizer = (spec.training.optimizer or OptimizerChoice()).kind
    megatron = resolve_megatron_settings(document.targets, ledger)
    plan = Plan(
        name=name,
        model=model,
        hardware=hardware,
        precision=resolve_precision(spec.precision, accelerator, stack, parallelism.zero_stage, optimizer, ledger),
        training=resolve_training(spec.training, stack, model.shape, accelerator, parallelism.data, ledger),
        parallelism=parallelism,
        storage=resolve_storage(spec.storage, ledger),
        zero=resolve_zero_settings(document.targets, ledger),
        megatron=megatron,
        stages=lay_out_stages(
            model.shape.num_hidden_layers,
            parallelism.pipeline,
            parallelism.virtual_pipeline,
            *end_stages(stack, megatron),
        ),
        origins=MappingProxyType(ledger.origins),
        places=document.places,
        path=document.path,
    )
    return plan, ledger.findings
