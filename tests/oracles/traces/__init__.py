"""Exact memory of training steps of real transformers models, without a GPU and without their memory."""
