"""accelerate's `estimate-memory` (accelerate/commands/estimate.py): states of training with Adam, from the model alone.

Its command prints the largest of four figures (model, gradients, optimizer, step) for some data types, which is what is
taken here: for float32 (16 bytes a parameter) where parameters or a master copy are fp32, else for float16 (8). The
command builds the model without its head; here its functions are given the whole model. Only one GPU can be said; no
sequence length, batch or checkpointing goes in.
"""

from benchmarks.peers.models import meta_model
from benchmarks.peers.tool import Figures, Tool, of_the_fullest
from ftspec.plan.model import Plan


def is_expressible(plan: Plan) -> bool:
    """Full training with Adam on one GPU."""
    full = plan.training.method.kind == "full" and plan.training.optimizer.kind in ("adam", "adamw")
    return full and plan.hardware.world_size == 1 and plan.parallelism.offload_optimizer == "none"


def ask(plan: Plan) -> Figures | None:
    """What the command would print under "Training using Adam"."""
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes

    if not is_expressible(plan):
        return None
    size, _ = calculate_maximum_sizes(meta_model(plan).float())
    wide = "fp32" in (plan.precision.parameters, plan.precision.master_parameters)
    dtype = "float32" if wide else "float16"
    states = int(max(estimate_training_usage(size, dtype).values()))
    return Figures(states, states)


ACCELERATE = Tool("accelerate", "accelerate", "states of full training on one GPU", of_the_fullest(ask))
