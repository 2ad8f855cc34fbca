"""Real training steps on a GPU, and what they take: cases, models, meters. `benchmarks.gpu_memory` runs them."""
