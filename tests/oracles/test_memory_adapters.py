"""Where adapters go on models with experts, against PEFT's own tables."""

import pytest

from ftspec.catalog.models import ModelRow, find_model, model_ids
from ftspec.memory.step.code import code_of, parameter_targets


def _peft_names(model_type: str) -> dict[str, str]:
    from peft.utils.transformers_weight_conversion import _MODEL_TO_CONVERSION_PATTERN, _MOE_TARGET_MODULE_MAPPING
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    if get_checkpoint_conversion_mapping(model_type) is None:
        return {}
    names: dict[str, str] = _MOE_TARGET_MODULE_MAPPING.get(_MODEL_TO_CONVERSION_PATTERN.get(model_type, ""), {})
    return names


def _with_experts() -> dict[str, ModelRow]:
    rows = [row for row in map(find_model, model_ids()) if isinstance(row, ModelRow)]
    return {row.model_type: row for row in rows if row.shape.moe is not None}


WITH_EXPERTS = _with_experts()


@pytest.mark.parametrize("model_type", sorted(WITH_EXPERTS))
def test_names_that_stand_for_parameters(model_type: str) -> None:
    ours = parameter_targets().get(code_of(WITH_EXPERTS[model_type].shape).parameter_targets, {})
    theirs = {name: "router" if each == "gate.weight" else each for name, each in _peft_names(model_type).items()}
    assert ours == theirs
