"""One training step, operation by operation: what the forward pass keeps and what the backward pass makes."""
