"""How reports write amounts, names and layouts."""

from typing import NamedTuple

from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.plan.model import Plan

_WORDS = {"fits": "fits", "borderline": "borderline", "does_not_fit": "does not fit"}


class Unit(NamedTuple):
    """What amounts of a report are told in."""

    name: str
    size: int

    def of(self, number_of_bytes: int) -> str:
        """`79.11`."""
        return f"{number_of_bytes / self.size:,.2f}"

    def signed(self, number_of_bytes: int) -> str:
        """`+1.50`, `-0.25`, and `=` for what two decimals do not show."""
        amount = f"{number_of_bytes / self.size:+,.2f}"
        return "=" if amount in ("+0.00", "-0.00") else amount

    def said(self, number_of_bytes: int) -> str:
        """`79.11 GiB`."""
        return f"{self.of(number_of_bytes)} {self.name}"


GIB, MIB = Unit("GiB", 2**30), Unit("MiB", 2**20)


def unit_of(largest: int) -> Unit:
    """MiB where all is below one GiB."""
    return MIB if largest < GIB.size else GIB


def gib(number_of_bytes: int) -> str:
    """`79.11`; 2³⁰ bytes."""
    return GIB.of(number_of_bytes)


def phrase(name: str) -> str:
    """A name as words: `layer backward`."""
    return name.replace("_", " ")


def escaped(text: str) -> str:
    """A text without meaning for rich's markup."""
    return text.replace("[", r"\[")


def layout_in_words(plan: Plan) -> str:
    """`TP8 PP4 DP4`: the degrees above 1, and data."""
    layout = plan.parallelism
    degrees = {"TP": layout.tensor, "PP": layout.pipeline, "CP": layout.context, "EP": layout.expert, "DP": layout.data}
    return " ".join(f"{name}{degree}" for name, degree in degrees.items() if degree > 1 or name == "DP")


def verdict_in_words(memory: MemoryEstimate) -> str:
    """`does not fit`."""
    return _WORDS[memory.verdict]
