"""The moments of a step at which a stage's memory may peak."""

from ftspec.memory.moment import Moment
from ftspec.memory.states import States
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage


def micro_batches_in_flight(plan: Plan, stage: Stage) -> float:
    """Micro-batches whose activations a stage holds (Narayanan et al. 2021, section 2.2)."""
    layout, steps = plan.parallelism, plan.training.gradient_accumulation_steps
    if layout.pipeline <= 1:
        return 1
    if layout.schedule == "gpipe":
        return steps
    in_flight = layout.pipeline - stage.pipeline_stage
    if layout.virtual_pipeline > 1:
        return layout.pipeline * (1 + (layout.pipeline - 1) / (layout.pipeline * layout.virtual_pipeline))
    return min(in_flight, steps)


def stage_moments(plan: Plan, stage: Stage, states: States) -> list[Moment]:
    """Every moment of the step that may be the stage's peak."""
    shape, training, layout = plan.model.shape, plan.training, plan.parallelism
    tokens = training.micro_batch_size * -(-training.sequence_length // max(1, layout.context))
    tensor, hidden = max(1, layout.tensor), shape.hidden_size
    replicated = tensor if layout.sequence_parallel else 1
    width = 4 * shape.intermediate_size if shape.moe is None else 4 * shape.moe.moe_intermediate_size * shape.moe.num_experts_per_tok
    query = (shape.num_attention_heads + 2 * shape.num_key_value_heads) * shape.head_dim
    full_layer = 2 * tokens * (8 * hidden // replicated + (width + 2 * query) // tensor)
    kept = 2 * tokens * hidden // replicated if training.activation_checkpointing == "full" else full_layer
    activations = int(kept * stage.num_layers * micro_batches_in_flight(plan, stage)) + (full_layer if kept != full_layer else 0)
    logits = 14 * tokens * shape.vocab_size // tensor if stage.head else 0
    return [
        Moment("loss_backward", activations, logits),
        Moment("layer_backward", activations, temporary=full_layer, gradients=states.gradients),
        Moment("optimizer_step", gradients=states.gradients),
    ]
