"""What DeepSpeed refuses, or takes and does not do: one module a subject, one function a rule."""
