"""DeepSpeed's one CPU extension, which it compiles when it first starts: built once, kept between test runs."""

import fcntl
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_BUILD = "from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder; ShareMemCommBuilder().load(verbose=False)"


@cache
def environment() -> dict[str, str]:
    """Variables for a process that starts DeepSpeed on a CPU, the extension built already."""
    versions = "-".join(f"{name}{importlib.metadata.version(name)}" for name in ("torch", "deepspeed"))
    directory = Path(tempfile.gettempdir()) / f"ftspec-extensions-{os.getuid()}-{versions}"
    directory.mkdir(exist_ok=True)
    variables = {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "TORCH_EXTENSIONS_DIR": str(directory)}
    with _alone_in(directory):
        command = [sys.executable, "-c", _BUILD]
        subprocess.run(command, env={**os.environ, **variables}, check=True, capture_output=True, timeout=400)
    return variables


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory against other test runs, and clear what a killed build left: torch would wait for it."""
    with (directory / "ours").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for stale in directory.glob("*/lock"):
            stale.unlink()
        yield
