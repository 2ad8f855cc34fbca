"""One stage of a pipeline, run by torch's own 1F1B schedule: the neighbours are ranks to which nothing is sent."""

from typing import Any

import torch
from torch import nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B
from torch.distributed.pipelining._utils import InferenceMode

from ftspec.plan.stages import lay_out_stages
from tests.oracles.distributed.case import DTYPES, Case, layers_of


class Stage(nn.Module):
    """A model's own layers and ends for one stage: ids into the first, logits out of the last, hidden states else."""

    def __init__(self, model: Any, first: bool, last: bool) -> None:
        super().__init__()
        self.decoder, self.first = model.model, first
        self.lm_head = model.lm_head if last else None
        if not last:
            self.decoder.norm = nn.Identity()
        if not first:
            self.decoder.embed_tokens = None

    def forward(self, arrived: torch.Tensor) -> torch.Tensor:
        """One micro-batch."""
        inputs = {"input_ids": arrived} if self.first else {"inputs_embeds": arrived}
        hidden: torch.Tensor = self.decoder(**inputs).last_hidden_state
        return hidden if self.lm_head is None else self.lm_head(hidden)


def stage_of(model: Any, case: Case) -> Stage:
    """The case's stage of a whole model, with the layers that ftspec gives it."""
    chunks = lay_out_stages(case.num_hidden_layers, case.pipeline, 1)[case.stage].chunks
    layers = layers_of(model, case.num_hidden_layers)
    model.model.layers = nn.ModuleList([layers[number] for chunk in chunks for number in chunk])
    model.config.num_hidden_layers = len(model.model.layers)
    return Stage(model, case.stage == 0, case.stage == case.pipeline - 1)


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def schedule(module: Stage, case: Case, group: Any, width: int, vocabulary: int) -> Schedule1F1B:
    """The schedule of a stage. The shapes of what arrives and leaves are said beforehand, so that no neighbour has to
    be asked for them.
    """
    rows = (case.micro_batch_size, case.sequence_length)
    stream = DTYPES["bf16" if case.stack == "fsdp2" else case.dtype]
    first, last = case.stage == 0, case.stage == case.pipeline - 1
    arriving = torch.zeros(rows, dtype=torch.long) if first else torch.zeros((*rows, width), dtype=stream)
    leaving = torch.zeros((*rows, vocabulary if last else width), dtype=torch.bfloat16 if last else stream)
    stage = PipelineStage(
        module,
        case.stage,
        case.pipeline,
        torch.device("cpu"),
        input_args=arriving if first else arriving.requires_grad_(),
        output_args=leaving.requires_grad_(),
        group=group,
    )
    stage._inference_mode = InferenceMode.STATIC
    made = Schedule1F1B(stage, n_microbatches=case.accumulation, loss_fn=_loss)
    made._warmup_p2p = lambda *_: None  # type: ignore[method-assign]
    return made


def buffers_of(plan: Schedule1F1B) -> list[torch.Tensor]:
    """What a stage receives into: a tensor for each micro-batch and direction, from the first step on."""
    infos = [*plan._stage.args_recv_info.values(), *plan._stage.grad_recv_info.values()]
    return [info.buffer for each in infos for info in each if info.buffer is not None]
