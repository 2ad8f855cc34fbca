"""The rotary angles and the epsilons of Megatron's own GPTModel for an argument list."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.oracles.megatron_models import ask_child, build_model, prepare

POSITIONS = 5000
"""How many positions are asked for; the angles of the last one are the answer."""


def ask_rotary(argument_lists: Sequence[list[str]]) -> list[dict[str, Any]]:
    """For each model `angles` at the last position, `factor` on cosine and sine, and `epsilons`; from one child."""
    answers: list[dict[str, Any]] = ask_child("tests.oracles.megatron_rotary", argument_lists)
    return answers


def _answer(arguments: list[str]) -> dict[str, Any]:
    from megatron.core.models.common.embeddings import YarnRotaryEmbedding

    model = build_model(arguments)
    rotary = getattr(model, "rotary_pos_emb", None) or model.decoder.layers[0].self_attention.rotary_pos_emb
    if isinstance(rotary, YarnRotaryEmbedding):
        both, factor = rotary.get_emb(POSITIONS)
        angles = both[-1].flatten()[: both.shape[-1] // 2]
    else:
        angles, factor = rotary.get_freqs_non_repeated(POSITIONS)[-1], 1.0
    epsilons = {module.eps for module in model.modules() if isinstance(getattr(module, "eps", None), float)}
    return {"angles": angles.tolist(), "factor": factor, "epsilons": sorted(epsilons)}


def _main(asked: str, answered: str) -> None:
    prepare(Path(answered).parent)
    answers = [_answer(arguments) for arguments in json.loads(Path(asked).read_text())]
    Path(answered).write_text(json.dumps(answers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
