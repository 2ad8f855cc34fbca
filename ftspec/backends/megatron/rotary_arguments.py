"""Rotary positions and the norm's epsilon as Megatron's arguments: no shape depends on them, every result does.

Megatron has llama3 scaling with fixed constants (`RotaryEmbedding._apply_scaling`), linear scaling by a whole factor,
and YaRN: with --position-embedding-type yarn, or inside latent attention (`MLATransformerConfig`), where the
original length and the two betas cannot be set from the command line.
"""

from ftspec.backends.megatron.argument import Argument, Value
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import RopeScaling

_SHAPE = "model.shape"
_LLAMA3 = (1, 4, 8192)
"""low_freq_factor, high_freq_factor and original_max_position_embeddings of `_apply_scaling`."""
_BUILT_FACTOR = 8.0
"""Llama 3's factor in the model that pretrain_gpt.py builds: `gpt_config_from_args` in
megatron/training/argument_utils.py does not hand --rope-scaling-factor on, and `GPTModelConfig` has 8."""
_LATENT_YARN = (4096, 32, 1, True)
"""original_max_position_embeddings, beta_fast, beta_slow and truncate in `MLATransformerConfig`."""
_BETAS = (32.0, 1.0)
"""beta_fast and beta_slow where a config leaves them out (transformers, modeling_rope_utils.py)."""


def rotary_arguments(shape: ModelShape) -> list[Argument]:
    """What is known of the base, the share of a head that turns and the scaling, as far as Megatron can say it."""
    if shape.position != "rope" or shape.rope_theta is None or not shape.rope_theta.is_integer():
        return []
    arguments = [Argument("rotary-base", int(shape.rope_theta), _SHAPE)]
    if shape.partial_rotary_factor != 1:
        arguments.append(Argument("rotary-percent", shape.partial_rotary_factor, _SHAPE))
    scaling = shape.rope_scaling
    if scaling is not None and inexpressible_scaling(shape) is None:
        arguments += [Argument(flag, value, _SHAPE) for flag, value in _scaling_flags(shape, scaling).items()]
    return arguments


def epsilon_arguments(shape: ModelShape) -> list[Argument]:
    """The epsilon of every norm, where it is known."""
    return [] if shape.norm_epsilon is None else [Argument("norm-epsilon", shape.norm_epsilon, _SHAPE)]


def takes_yarn(shape: ModelShape) -> bool:
    """Whether the positions outside of latent attention are YaRN's, which is a type of its own."""
    scaling = shape.rope_scaling
    return (
        scaling is not None and scaling.rope_type == "yarn" and shape.mla is None and not inexpressible_scaling(shape)
    )


def inexpressible_scaling(shape: ModelShape) -> str | None:
    """What Megatron cannot say of a shape's rotary scaling, None where it can say all of it.

    Dynamic scaling changes nothing up to the length that the model was made for, so it needs no flag.
    """
    scaling = shape.rope_scaling
    if scaling is None or scaling.rope_type == "dynamic":
        return None
    if scaling.rope_type not in ("llama3", "linear", "yarn"):
        return f"{scaling.rope_type} scaling"
    if scaling.rope_type == "yarn" and shape.partial_rotary_factor != 1:
        return "yarn scaling of a part of the head"
    if scaling.factor is None or scaling.attention_factor is not None:
        return f"{scaling.rope_type} scaling with an attention factor or without a factor"
    if shape.mla is not None:
        return _inexpressible_in_latent_attention(shape, scaling)
    if scaling.rope_type == "linear":
        return None if scaling.factor.is_integer() else f"linear scaling by {scaling.factor}, which is not whole"
    constants = (scaling.low_freq_factor, scaling.high_freq_factor, scaling.original_max_position_embeddings)
    if scaling.rope_type == "llama3" and constants != _LLAMA3:
        return "llama3 scaling with constants other than 1, 4 and 8192"
    return None


def dropped_factor(shape: ModelShape) -> float | None:
    """A factor of Llama 3's scaling that megatron-core 0.19.2 reads and then builds the model without."""
    scaling = shape.rope_scaling
    if scaling is None or scaling.rope_type != "llama3" or inexpressible_scaling(shape) is not None:
        return None
    return scaling.factor if scaling.factor != _BUILT_FACTOR else None


def _inexpressible_in_latent_attention(shape: ModelShape, scaling: RopeScaling) -> str | None:
    if scaling.rope_type != "yarn":
        return f"{scaling.rope_type} scaling in latent attention"
    if (_original_length(shape, scaling), *_betas(scaling), scaling.truncate) != _LATENT_YARN:
        return "yarn scaling in latent attention with an original length other than 4096 or betas other than 32 and 1"
    return None


def _scaling_flags(shape: ModelShape, scaling: RopeScaling) -> dict[str, Value]:
    if scaling.rope_type == "dynamic" or scaling.factor is None:
        return {}
    if scaling.rope_type == "llama3":
        return {"use-rope-scaling": True, "rope-scaling-factor": scaling.factor}
    if scaling.rope_type == "linear":
        return {"rotary-seq-len-interpolation-factor": int(scaling.factor)}
    flags: dict[str, Value] = {"rotary-scaling-factor": scaling.factor}
    if scaling.mscale and scaling.mscale_all_dim:
        flags |= {"mscale": scaling.mscale, "mscale-all-dim": scaling.mscale_all_dim}
    if shape.mla is not None:
        return flags
    fast, slow = _betas(scaling)
    flags |= {"yarn-original-max-position-embeddings": _original_length(shape, scaling)}
    flags |= {"yarn-beta-fast": fast, "yarn-beta-slow": slow}
    return flags if scaling.truncate else flags | {"no-yarn-correction-range-round-to-int": True}


def _original_length(shape: ModelShape, scaling: RopeScaling) -> int:
    return scaling.original_max_position_embeddings or shape.max_position_embeddings


def _betas(scaling: RopeScaling) -> tuple[float, float]:
    fast, slow = scaling.beta_fast, scaling.beta_slow
    return (_BETAS[0] if fast is None else fast, _BETAS[1] if slow is None else slow)
