"""What offloading leaves on the device (deepspeed/runtime/zero/offload_config.py)."""

from ftspec.memory.states import States
from ftspec.plan.model import Plan


def on_device(plan: Plan, states: States) -> States:
    """The states that stay in GPU memory.

    An offloaded optimizer takes the master copy, the moments and the accumulated gradients with it; offloaded
    parameters leave nothing but what is gathered (Rajbhandari et al. 2021, section 5).
    """
    layout = plan.parallelism
    parameters = states.parameters if layout.offload_parameters == "none" else 0
    if layout.offload_optimizer != "none":
        return States(parameters, 0, 0, 0)
    return States(parameters, states.gradients, states.master_parameters, states.optimizer_states)
