"""Checks a second in one process on one core, every text different. Asked: at least 300."""

import time
from pathlib import Path

from ftspec.pipeline import check_text

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "deepseek-r1-70b.ft"
RUNS = 600
ASKED = 300


def main() -> None:
    """Print checks a second over variations of the example: another name and another global batch in each."""
    text = EXAMPLE.read_text(encoding="utf-8")
    texts = [f"{text}\n# {number}\nlet unused_{number} = {number} * 4Ki\n" for number in range(RUNS)]
    check_text(text, "warm-up.ft")
    start = time.perf_counter()
    for number, each in enumerate(texts):
        assert check_text(each, f"job-{number}.ft").document is not None
    rate = RUNS / (time.perf_counter() - start)
    print(f"{rate:.0f} checks a second (asked: at least {ASKED})")


if __name__ == "__main__":
    main()
