"""The batch triple: global_batch_size = micro_batch_size × gradient_accumulation_steps × data_parallel."""

from ftspec.plan.ledger import Ledger
from ftspec.spec.kinds import Auto
from ftspec.spec.model import Training

_MICRO, _GLOBAL, _STEPS = (
    "training.micro_batch_size",
    "training.global_batch_size",
    "training.gradient_accumulation_steps",
)


def _written(value: int | Auto | None) -> int | None:
    return None if value is None or isinstance(value, Auto) else value


def solve_batch(training: Training, data_parallel: int, ledger: Ledger) -> tuple[int, int, int]:
    """Micro-batch size, global batch size and accumulation steps, in samples.

    What is open follows from what is written; with too little written the micro-batch is 1 and there is no
    accumulation. A triple that does not multiply out is returned as written (a rule reports it).
    """
    micro, total, steps = map(
        _written, (training.micro_batch_size, training.global_batch_size, training.gradient_accumulation_steps)
    )
    for path, value in ((_MICRO, micro), (_GLOBAL, total), (_STEPS, steps)):
        if value is not None:
            ledger.given(path, path)
    if micro is None:
        if total is not None and steps is not None:
            micro = ledger.derive(
                _MICRO,
                max(1, total // (steps * data_parallel)),
                "global_batch_size / (gradient_accumulation_steps × data)",
            )
        else:
            micro = ledger.take(_MICRO, None, 1, "one sample at a time")
    if total is None:
        steps = ledger.take(_STEPS, None, 1, "no accumulation") if steps is None else steps
        total = ledger.derive(
            _GLOBAL, micro * steps * data_parallel, "micro_batch_size × gradient_accumulation_steps × data"
        )
    elif steps is None:
        steps = ledger.derive(
            _STEPS, max(1, total // (micro * data_parallel)), "global_batch_size / (micro_batch_size × data)"
        )
    return micro, total, steps
