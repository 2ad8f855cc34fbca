"""Real frameworks on a machine without a GPU: said before any of them is imported."""

import os

os.environ.setdefault("DS_ACCELERATOR", "cpu")
