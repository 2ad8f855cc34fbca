"""Names of group options: what a user types after `model=`, and the file that it means."""

from ftspec.plan.model import Plan

_MARKS = frozenset("-._")
_LONGEST = 64
_RESERVED = frozenset(
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "con", "prn", "aux", "nul"]
)
"""What YAML, Hydra's command line or a file system takes for something else."""


def option_name(text: str, group: str) -> str:
    """A safe name: lower-case letters, digits, dashes, dots and underscores, beginning with a letter."""
    kept = "".join(
        character if character.isascii() and (character.isalnum() or character in _MARKS) else "-"
        for character in text.lower()
    )
    while "--" in kept:
        kept = kept.replace("--", "-")
    name = kept[:_LONGEST].strip("-._").removesuffix(".yaml").removesuffix(".yml")
    if name in _RESERVED or not name[:1].isalpha():
        return f"{group}-{name}".rstrip("-")
    return name


def option_names(plan: Plan) -> dict[str, str]:
    """The option of each group that a plan is written to."""
    layout = plan.parallelism
    degrees = {"tp": layout.tensor, "pp": layout.pipeline, "cp": layout.context, "ep": layout.expert}
    parts = [f"{short}{degree}" for short, degree in degrees.items() if degree > 1]
    zero = [f"zero{layout.zero_stage}"] if layout.zero_stage else []
    return {
        "model": option_name(plan.model.id.rpartition("/")[2], "model"),
        "hardware": option_name(plan.hardware.gpu, "hardware"),
        "precision": plan.precision.compute,
        "parallelism": "-".join([*parts, *zero]) or "ddp",
        "training": plan.training.method.kind,
        "storage": plan.storage.kind or "storage",
    }
