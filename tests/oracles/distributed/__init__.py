"""Exact memory of distributed training steps of real models, on one CPU: FSDP2, tensor parallelism, stages, DDP."""
