"""Cold start: a whole `ftspec check` process beside `import pydantic` in the same interpreter, in one run.

The two alternate, so that whatever else the machine does falls on both. Asked: at most 2.5 times, at the median of 20.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "deepseek-r1-70b.ft"
RUNS = 20
ASKED = 2.5
PROGRAM = """
import sys
from ftspec.pipeline import check_file
check_file({example!r})
print(*sorted(set({forbidden!r}) & set(sys.modules)))
"""
FORBIDDEN = ("torch", "hydra", "omegaconf", "numpy", "pydantic")


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print both medians and their ratio, and what `import ftspec` and a check load."""
    check = [sys.executable, "-m", "ftspec", "check", str(EXAMPLE)]
    measure = [sys.executable, "-c", "import pydantic"]
    for command in (check, measure):  # files and byte code into the caches
        _seconds(command)
    pairs = [(_seconds(check), _seconds(measure)) for _ in range(RUNS)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"ftspec check: {ours * 1000:.0f} ms; import pydantic: {theirs * 1000:.0f} ms")
    print(f"ratio {ours / theirs:.2f} (asked: at most {ASKED})")
    program = PROGRAM.format(example=str(EXAMPLE), forbidden=FORBIDDEN)
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    print(f"heavy packages that a check loads: {loaded or 'none'}")


if __name__ == "__main__":
    main()
