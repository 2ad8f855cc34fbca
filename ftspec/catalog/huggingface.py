"""A model from a Hugging Face config.json.

What reads the file is imported when a file is read: most specs name a model of the catalog.
"""

from collections.abc import Mapping
from typing import Any

from ftspec.catalog.config_file import ConfigProblem, read_config_file
from ftspec.catalog.models import ModelRow
from ftspec.catalog.parameters import count_parameters

__all__ = ["ConfigProblem", "read_config"]

_TEXT_TYPES = {"kimi_k25": "deepseek_v3"}


def _text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of the text decoder: that of a multimodal model is a part of its own."""
    from ftspec.catalog.config_shape import known_model_type

    inner = config.get("text_config")
    if not isinstance(inner, dict):
        return dict(config)
    text = dict(inner)
    if "tie_word_embeddings" in config:
        text["tie_word_embeddings"] = config["tie_word_embeddings"]
    outer = str(config.get("model_type") or "")
    default = _TEXT_TYPES.get(outer) or (f"{outer}_text" if known_model_type(f"{outer}_text") else outer)
    text.setdefault("model_type", default)
    return text


def _remark(config: Mapping[str, Any], model_type: str) -> str:
    from ftspec.catalog.config_shape import known_model_type

    if known_model_type(model_type) is None:
        name = f'model_type "{model_type}" is not known' if model_type else "no model_type is given"
        return f"{name}: read as a decoder of the Llama kind (RMSNorm, gated MLP, rotary positions)"
    return "only the text decoder is counted" if isinstance(config.get("text_config"), dict) else ""


def read_config(path: str) -> ModelRow | ConfigProblem:
    """The model that a config.json describes, by the rules and defaults of its config class in transformers.

    What is read: any architecture of the catalog, a multimodal model's text decoder, and an unknown
    architecture under the usual names, as a decoder of the Llama kind (the row's `remark` says so).
    """
    from ftspec.catalog.config_shape import config_shape

    config = read_config_file(path)
    if isinstance(config, ConfigProblem):
        return config
    text = _text_config(config)
    model_type = str(text.get("model_type") or "")
    shape = config_shape(text, model_type)
    if isinstance(shape, ConfigProblem):
        return shape
    architectures = config.get("architectures") or text.get("architectures") or [""]
    return ModelRow(
        id=path,
        family="",
        architecture=str(architectures[0]),
        model_type=model_type,
        shape=shape,
        parameters=count_parameters(shape),
        source=path,
        confidence="file",
        remark=_remark(config, model_type),
    )
