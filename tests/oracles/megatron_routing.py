"""The weights that the router of Megatron's own GPTModel gives to experts, for an argument list and seeded logits."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.oracles.megatron_models import ask_child, build_model, prepare

TOKENS = 64


def logits_and_bias(experts: int) -> tuple[Any, Any]:
    """Router logits of shape (tokens, experts) and a bias of shape (experts,), the same in every process."""
    import torch

    generator = torch.Generator().manual_seed(experts)
    return torch.randn(TOKENS, experts, generator=generator), 0.1 * torch.randn(experts, generator=generator)


def ask_routing(argument_lists: Sequence[list[str]]) -> list[list[list[float]]]:
    """For each model the weights, one row a token and one column an expert; from one child process."""
    answers: list[list[list[float]]] = ask_child("tests.oracles.megatron_routing", argument_lists)
    return answers


def _answer(arguments: list[str]) -> Any:
    from megatron.core.transformer.moe.moe_utils import topk_routing_with_score_function
    from megatron.core.transformer.moe.router import TopKRouter

    router = next(module for module in build_model(arguments).modules() if isinstance(module, TopKRouter))
    logits, bias = logits_and_bias(router.config.num_moe_experts)
    weights, _ = topk_routing_with_score_function(
        logits,
        router.topk,
        use_pre_softmax=router.config.moe_router_pre_softmax,
        num_groups=router.config.moe_router_num_groups,
        group_topk=router.config.moe_router_group_topk,
        scaling_factor=router.config.moe_router_topk_scaling_factor,
        score_function=router.score_function,
        expert_bias=None if router.expert_bias is None else bias,
    )
    return weights.tolist()


def _main(asked: str, answered: str) -> None:
    prepare(Path(answered).parent)
    answers = [_answer(arguments) for arguments in json.loads(Path(asked).read_text())]
    Path(answered).write_text(json.dumps(answers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
