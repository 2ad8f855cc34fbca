"""Optimizers: what each keeps of the tensors that it updates, and what its step makes."""
