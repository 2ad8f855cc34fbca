"""Rules over the model's shape, where its own fields contradict each other."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import LLAMA_1B, SMALL_MIXTRAL, job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either

_DENSE, _HEAD = "model.moe.first_k_dense_replace", "model.head_dim"


@plan_rule(
    "FT209",
    Severity.ERROR,
    "more dense layers than the model has",
    "first_k_dense_replace counts the first layers of a mixture-of-experts model that have a dense MLP. Where that is"
    " all of them the model has no experts.",
    bad=job(model=f"{SMALL_MIXTRAL}  intermediate_size = 14336  moe {{ first_k_dense_replace = 2 }}"),
    good=job(model=f"{SMALL_MIXTRAL}  intermediate_size = 14336  moe {{ first_k_dense_replace = 1 }}"),
)
def some_layers_have_experts(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """first_k_dense_replace below the number of layers."""
    shape = plan.model.shape
    if shape.moe is not None and shape.moe.first_k_dense_replace >= shape.num_hidden_layers:
        below = shape.num_hidden_layers - 1
        yield rule.finding(
            f"first_k_dense_replace = {shape.moe.first_k_dense_replace}, and the model has {shape.num_hidden_layers}"
            " layers: none of them has experts",
            blamed(plan, _DENSE, "model.num_hidden_layers", "model"),
            f"write first_k_dense_replace = {below}{' or less' if below else ''}, or a model without moe",
        )


def _rotated(plan: Plan, head: int) -> int:
    """Of a head so wide, the elements that are turned by the position."""
    return int(head * plan.model.shape.partial_rotary_factor)


@plan_rule(
    "FT210",
    Severity.ERROR,
    "rotary positions turn an odd number of elements",
    "Rotary position embedding turns pairs of elements of each query and key (Su et al. 2021): the part of a head that"
    " is turned must be even.",
    bad=job(model=f"{LLAMA_1B}  head_dim = 63"),
    good=job(model=f"{LLAMA_1B}  head_dim = 64"),
)
def rotated_elements_are_pairs(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """The turned part of a head: qk_rope_head_dim under latent attention, else a share of head_dim."""
    shape = plan.model.shape
    if shape.position != "rope":
        return
    if shape.mla is not None:
        width, name, path = shape.mla.qk_rope_head_dim, "qk_rope_head_dim", "model.mla.qk_rope_head_dim"
        works = [each for each in (width - 1, width + 1) if each > 0]
    else:
        width, name, path = _rotated(plan, shape.head_dim), "head_dim", _HEAD
        around = range(max(1, shape.head_dim - 8), shape.head_dim + 9)
        even = [each for each in around if _rotated(plan, each) % 2 == 0 and _rotated(plan, each)]
        works = [max((each for each in even if each < shape.head_dim), default=0)]
        works = [each for each in (*works, min(each for each in even if each > shape.head_dim)) if each]
    if width % 2:
        yield rule.finding(
            f"rotary positions turn pairs of elements, and {width} of each head are turned",
            blamed(plan, path, "model.num_attention_heads", "model"),
            f"write {name} = {either(works)}",
        )


@plan_rule(
    "FT211",
    Severity.ERROR,
    "a vocabulary without a choice",
    "A language model predicts one of its vocabulary's entries; with a single entry there is nothing to predict and the"
    " loss is always zero.",
    bad=job(model=f"{LLAMA_1B}  vocab_size = 1"),
    good=job(model=f"{LLAMA_1B}  vocab_size = 32000"),
)
def vocabulary_has_a_choice(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """vocab_size of 2 or more."""
    if plan.model.shape.vocab_size < 2:
        yield rule.finding(
            "vocab_size = 1 leaves nothing to predict",
            blamed(plan, "model.vocab_size", "model"),
            "write the number of the tokenizer's entries, vocab_size = 128256 for Llama 3",
        )
