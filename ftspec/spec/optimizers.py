"""Optimizers: `optimizer = adamw { learning_rate = 1e-5 }`. One class a family of settings, one word each."""

from typing import Annotated, Literal

from ftspec.core.record import record
from ftspec.spec.kinds import FRACTION, NON_NEGATIVE, POSITIVE, Doc

OptimizerName = Literal["adamw", "adam", "sgd", "adamw_8bit", "adafactor", "muon", "lion"]


@record
class OptimizerChoice:
    """The optimizer and its settings. A setting that the optimizer does not have is a finding (rules)."""

    kind: Annotated[OptimizerName, Doc("Which optimizer.")] = "adamw"
    learning_rate: Annotated[float | None, POSITIVE, Doc("Peak learning rate. Default 1e-5.")] = None
    weight_decay: Annotated[
        float | None,
        NON_NEGATIVE,
        Doc(
            "Share of a weight that is taken off at each step, times the learning rate. "
            "Default 0.01 (adamw, lion), else 0."
        ),
    ] = None
    beta1: Annotated[float | None, FRACTION, Doc("Decay of the first moment. Default 0.9.")] = None
    beta2: Annotated[float | None, FRACTION, Doc("Decay of the second moment. Default 0.999; lion 0.99.")] = None
    epsilon: Annotated[float | None, POSITIVE, Doc("Added to the denominator. Default 1e-8.")] = None
    momentum: Annotated[float | None, FRACTION, Doc("sgd and muon. Default 0 (sgd), 0.95 (muon).")] = None
    fused: Annotated[bool | None, Doc("One kernel for all parameters instead of one for each. Default true.")] = None
    paged: Annotated[
        bool | None,
        Doc("adamw_8bit: moments in memory that the driver moves to the host where the GPU is full. Default false."),
    ] = None
