"""The Python API: what the command line does, as functions that return values."""

from collections.abc import Sequence
from os import PathLike, fspath

from ftspec.checked import Checked
from ftspec.core.finding import Finding
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.pipeline import check_file, compile_checked
from ftspec.spec.document import Document


class SpecError(Exception):
    """A spec with errors where a result was asked for. `findings` has everything that was found."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        lines = (f"{each.path}:{each.span.line}: {each.code}: {each.message}" for each in findings)
        super().__init__("; ".join(lines))
        self.findings = tuple(findings)


def check(path: str | PathLike[str], settings: Sequence[str] = ()) -> Checked:
    """All that a check knows of a spec: document, plans, memory, findings. Nothing in the file makes it raise."""
    return check_file(fspath(path), settings)


def load(path: str | PathLike[str], settings: Sequence[str] = ()) -> Document:
    """The typed spec. Raises SpecError if the text cannot be read as one."""
    checked = check(path, settings)
    if checked.document is None:
        raise SpecError(checked.findings)
    return checked.document


def estimate_memory(path: str | PathLike[str], settings: Sequence[str] = ()) -> tuple[MemoryEstimate, ...]:
    """The memory of each stack that the job is planned for. Raises SpecError if there is no plan to estimate."""
    checked = check(path, settings)
    if not checked.jobs:
        raise SpecError(checked.findings)
    return tuple(job.memory for job in checked.jobs)


def compile(
    path: str | PathLike[str], out: str | PathLike[str], to: Sequence[str] | None = None, settings: Sequence[str] = ()
) -> list[str]:
    """Write the files of the targets under `out` and return their paths: all of them or none.

    Raises SpecError for a spec with errors, `ftspec.output.write.OutputRefused` for a directory that cannot take them.
    """
    from ftspec.output.write import write_artefacts

    checked = check_file(fspath(path), settings, to)
    if checked.exit_code:
        raise SpecError(checked.findings)
    return write_artefacts(fspath(out), compile_checked(checked))
