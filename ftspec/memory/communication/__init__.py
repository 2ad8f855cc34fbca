"""Buffers of communication: gathered parameters, reduced gradients, what a pipeline receives."""
