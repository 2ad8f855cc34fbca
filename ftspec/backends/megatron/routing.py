"""How tokens reach their experts, as Megatron's arguments.

Source: `topk_routing_with_score_function` and `group_limited_topk` in megatron/core/transformer/moe/moe_utils.py.
Softmax is taken of the chosen logits, so that the weights sum to 1, or before the choice, so that they do not; sigmoid
scores are always made to sum to 1, unless there is one; a group scores what its best topk // group_topk experts do.
"""

from collections.abc import Iterator

from ftspec.backends.megatron.argument import Argument
from ftspec.catalog.shape_parts import MoeShape

_SHAPE = "model.shape"
_BEST_OF_A_GROUP = 2
"""How many experts judge a group (DeepSeek-V3, arXiv 2412.19437, section 2.1.2)."""


def routing_arguments(moe: MoeShape) -> list[Argument]:
    """The flags of a router that is not Megatron's default."""
    arguments = []
    if moe.scoring_func != "softmax":
        arguments.append(Argument("moe-router-score-function", moe.scoring_func, _SHAPE))
    elif not moe.norm_topk_prob:
        arguments.append(Argument("moe-router-pre-softmax", True, _SHAPE))
    elif moe.num_experts_per_tok == 1:
        arguments.append(Argument("moe-router-pre-softmax", True, "constant: Megatron refuses top-1 routing without"))
    if moe.score_correction_bias:
        arguments.append(Argument("moe-router-enable-expert-bias", True, _SHAPE))
    if _in_groups(moe):
        arguments.append(Argument("moe-router-num-groups", moe.n_group, _SHAPE))
        arguments.append(Argument("moe-router-group-topk", moe.topk_group, _SHAPE))
    if moe.routed_scaling_factor != 1:
        arguments.append(Argument("moe-router-topk-scaling-factor", moe.routed_scaling_factor, _SHAPE))
    return arguments


def inexpressible_routing(moe: MoeShape) -> Iterator[str]:
    """What a router has that these flags cannot say, as phrases."""
    if moe.other_routing:
        yield f"a router of another kind ({moe.other_routing})"
    if moe.scoring_func == "softmax":
        if moe.score_correction_bias:
            yield "a router that adds a bias to softmax scores"
    elif moe.norm_topk_prob != (moe.num_experts_per_tok > 1):
        sums = "" if moe.norm_topk_prob else " not"
        yield f"{moe.scoring_func} scores of {moe.num_experts_per_tok} experts that are{sums} made to sum to 1"
    if _in_groups(moe):
        yield from _inexpressible_groups(moe)


def _in_groups(moe: MoeShape) -> bool:
    """Whether the groups exclude any expert."""
    return moe.topk_group < moe.n_group


def _inexpressible_groups(moe: MoeShape) -> Iterator[str]:
    if moe.scoring_func == "softmax":
        yield "softmax scores in groups"
    width, rest = divmod(moe.num_experts, moe.n_group)
    if rest or width < _BEST_OF_A_GROUP or width * moe.topk_group < moe.num_experts_per_tok:
        yield f"{moe.num_experts} experts in {moe.n_group} groups"
    elif moe.num_experts_per_tok // moe.topk_group != _BEST_OF_A_GROUP:
        chosen = f"{moe.num_experts_per_tok} experts from {moe.topk_group} groups"
        yield f"{chosen}, which Megatron would not judge by their two best experts"
