"""ftspec: a compiler and type checker for training-job specs.

The public functions are imported on first use, so that `import ftspec` costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["SpecError", "__version__", "check", "compile", "estimate_memory", "load"]

if TYPE_CHECKING:
    from ftspec.api import SpecError, check, compile, estimate_memory, load


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ftspec import api

        return getattr(api, name)
    raise AttributeError(f"module 'ftspec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
