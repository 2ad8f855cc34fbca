"""What DeepSpeed's engine holds and makes in a step, beyond the states themselves."""
