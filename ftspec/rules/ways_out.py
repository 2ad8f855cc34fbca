"""What to change in a job that does not fit: every change that is named was tried."""

from collections.abc import Iterable, Sequence

from ftspec.rules.changes import Changes, completed
from ftspec.rules.savings import savings
from ftspec.rules.trials import Bench, Trial

_SHOWN = 4
_WORTH = 0.9
"""A change that leaves more of the peak than this is not worth a word."""


def ways_out(bench: Bench) -> str:
    """The changes that make the job fit, with what it then needs; else those that together come nearest."""
    worth = _WORTH * bench.peak_bytes
    kinds = [kind for kind in savings(bench.plan, bench.stacks) if kind]
    tried = [_least_that_fits(bench, kind) for kind in kinds]
    helping = [trial for trial in tried if trial is not None and trial.peak_bytes < worth]
    fitting = [trial for trial in helping if trial.fits]
    if len(fitting) > 1:
        return f"what makes it fit: {_listed(fitting)}"
    alone = sorted((trial for trial in helping if not trial.fits), key=lambda trial: trial.peak_bytes)
    several = [trial.changes if trial else kind[-1] for trial, kind in zip(tried, kinds, strict=True)]
    together = _together(
        bench, [changes for changes in several if not any(changes is each.changes for each in fitting)]
    )
    if together is not None and together.fits:
        fitting.append(together)
    if not helping:
        return "no change that ftspec knows saves memory here: use a smaller model, or GPUs with more memory"
    if not fitting:
        return f"what helps most, though not enough: {together or _listed(alone)}"
    return f"what makes it fit: {_listed(fitting)}" + (f". What helps: {_listed(alone)}" if len(alone) > 1 else "")


def _listed(trials: Iterable[Trial]) -> str:
    return "; ".join(str(trial) for trial in list(trials)[:_SHOWN])


def _least_that_fits(bench: Bench, kind: Sequence[Changes]) -> Trial | None:
    """The smallest change of a kind that makes the job fit, else the largest that everything accepts."""
    fitting: Trial | None = None
    for changes in reversed(kind):
        trial = bench.tried(completed(bench.plan, changes))
        if trial is not None and trial.fits:
            fitting = trial
        elif trial is not None:
            return fitting or trial
    return fitting


def _together(bench: Bench, kinds: list[Changes]) -> Trial | None:
    """The changes one after the other until the job fits, without those that turn out not to be needed."""
    best: Trial | None = None
    for changes in kinds:
        trial = bench.tried(completed(bench.plan, {**(best.changes if best else {}), **changes}))
        if trial is not None and trial.peak_bytes < _WORTH * (best.peak_bytes if best else bench.peak_bytes):
            best = trial
        if best is not None and best.fits:
            return _without_needless(bench, best, kinds)
    return best


def _without_needless(bench: Bench, together: Trial, kinds: list[Changes]) -> Trial:
    for changes in kinds:
        fewer = {path: value for path, value in together.changes.items() if path not in changes}
        trial = bench.tried(completed(bench.plan, fewer)) if fewer and len(fewer) < len(together.changes) else None
        if trial is not None and trial.fits:
            together = trial
    return together
