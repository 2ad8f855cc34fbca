"""Where a plan value came from."""

import os
from typing import Literal, NamedTuple

from ftspec.core.source import Place

OriginKind = Literal["given", "default", "derived", "catalog", "planner"]


class Origin(NamedTuple):
    """Why a plan value is what it is.

    `detail` is a phrase for people: the formula of a derived value, the row of a catalog value, the
    reason of a default. `place` is where a given value was written (None for the command line).
    """

    kind: OriginKind
    detail: str = ""
    place: Place | None = None

    def __str__(self) -> str:
        """One line: `given at job.ft:12:14`, `derived: world_size / tensor`."""
        if self.kind == "given":
            if self.place is None:
                return f"given at {self.detail}"
            file = os.path.basename(self.place.path)  # the same job gives the same text in every folder
            return f"given at {file}:{self.place.value.line}:{self.place.value.column}"
        return f"{self.kind}: {self.detail}" if self.detail else self.kind
