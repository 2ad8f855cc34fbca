"""The Python API: what the command line does, as functions that return values."""

from collections.abc import Sequence
from os import PathLike, fspath

from ftspec.core.finding import Finding
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.pipeline import Checked, check_file, compile_checked
from ftspec.spec.document import Document


class SpecError(Exception):
    """A spec with errors where a result was asked for. `findings` has everything that was found."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{finding.path}:{finding.span.line}: {finding.code}: {finding.message}" for finding in findings))
        self.findings = tuple(findings)


def check(path: str | PathLike[str], settings: Sequence[str] = ()) -> Checked:
    """Everything that a check knows of a spec: document, plans, memory, findings. Never raises for what is in the file."""
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


def compile(  # noqa: A001 (the command's name)
    path: str | PathLike[str], out: str | PathLike[str], to: Sequence[str] | None = None, settings: Sequence[str] = ()
) -> list[str]:
    """Write the files of the targets under `out` and return their paths: all of them or none.

    Raises SpecError for a spec with errors and `ftspec.output.write.OutputRefused` for a directory that cannot take the files.
    """
    from ftspec.output.write import write_artefacts

    checked = check_file(fspath(path), settings, to)
    if checked.exit_code:
        raise SpecError(checked.findings)
    return write_artefacts(fspath(out), compile_checked(checked))
