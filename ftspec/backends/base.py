"""What a backend is: how it says what it emits, where each value comes from, and what it cannot say."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from ftspec.core.finding import Finding
from ftspec.core.record import record
from ftspec.core.source import Place, Span
from ftspec.plan.model import Plan, Stack


@record
class Artefact:
    """One file to write.

    `path` is relative to the output directory. `origins` maps each emitted key (dotted, or a flag) to the
    plan path that it carries (several joined by ", "), or to "raw" / "constant: why".
    """

    path: str
    text: str
    origins: Mapping[str, str] = field(default_factory=dict)
    executable: bool = False


@record
class TargetOptions:
    """A `target NAME { … }` block as the backend sees it.

    `options` is the backend's own options dataclass (already checked); `raw` the user's raw keys as plain
    JSON-like values; `places` the places of every key under dotted paths (`launcher.partition`,
    `raw.zero_optimization.stage`), and `span` that of the block's name.
    """

    options: Any
    raw: Mapping[str, Any]
    places: Mapping[str, Place]
    span: Span

    def where(self, path: str) -> Span:
        """The span of a key of the block, else of its nearest parent, else of the target's name."""
        while path:
            place = self.places.get(path)
            if place is not None:
                return place.key
            path = path.rpartition(".")[0]
        return self.span


class Backend(Protocol):
    """One target.

    `mapped` names, for every plan path that the target's files carry, the keys that carry it.
    `elsewhere` names the plan paths that the training script or the launcher carries, not this target's files.
    `unsupported` names those that the target cannot express at all. Each path of `plan_paths()` is in
    exactly one of the three, the last two with a reason; a test enumerates them.
    """

    name: str
    stacks: tuple[Stack, ...]
    options: type[Any]
    mapped: Mapping[str, str]
    elsewhere: Mapping[str, str]
    unsupported: Mapping[str, str]

    def check(self, plan: Plan, target: TargetOptions) -> list[Finding]:
        """What this target refuses about the plan or about its own block."""
        ...

    def refuses(self, plan: Plan) -> list[Finding]:
        """What the stack itself refuses about the plan, whatever files are made for it. Asked where no target of this
        name is written; `check` says it elsewhere.
        """
        ...

    def compile(self, plan: Plan, target: TargetOptions) -> list[Artefact]:
        """The files, in a fixed order. Called only if nothing has an error."""
        ...
