"""How long the job is: tokens and steps follow from each other through the tokens of one step."""

from ftspec.plan.ledger import Ledger
from ftspec.spec.model import Training

_TOKENS, _STEPS = "training.tokens", "training.steps"


def resolve_length(training: Training, tokens_per_step: int, ledger: Ledger) -> tuple[int | None, int | None]:
    """Tokens and optimizer steps of the whole job; (None, None) where nothing was said.

    Written steps or tokens win over epochs; that they disagree is a rule's business. A last, partial step
    counts as one.
    """
    tokens, steps = training.tokens, training.steps
    if tokens is not None:
        ledger.given(_TOKENS, _TOKENS)
    elif steps is not None:
        tokens = ledger.derive(_TOKENS, steps * tokens_per_step, "steps × global_batch_size × sequence_length")
    elif training.epochs is not None and training.dataset is not None and training.dataset.tokens is not None:
        tokens = ledger.derive(
            _TOKENS, max(1, round(training.epochs * training.dataset.tokens)), "epochs × dataset.tokens"
        )
    else:
        ledger.take(_TOKENS, None, None, "the job's length is open")
    if steps is not None:
        ledger.given(_STEPS, _STEPS)
    elif tokens is not None:
        steps = ledger.derive(_STEPS, -(-tokens // tokens_per_step), "⌈tokens / (global_batch_size × sequence_length)⌉")
    else:
        ledger.take(_STEPS, None, None, "the job's length is open")
    return tokens, steps
