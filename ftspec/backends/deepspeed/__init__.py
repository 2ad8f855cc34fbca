"""DeepSpeed: a plan as the JSON that `deepspeed.initialize` reads."""

from ftspec.backends.base import Backend
from ftspec.backends.deepspeed.backend import DeepSpeedBackend

BACKEND: Backend = DeepSpeedBackend()
