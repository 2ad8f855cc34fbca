"""Real training steps on a CUDA GPU, beside the estimate: tensors, the allocator's memory and the whole process.

    python -m benchmarks.gpu_memory              measures, compares, writes benchmarks/results/gpu_memory.json
    python -m benchmarks.gpu_memory --compare    compares what is recorded with today's estimate; needs no GPU

Needs torch with CUDA, transformers and nvidia-smi; PEFT for lora, bitsandbytes for qlora, adamw_8bit and lion,
flash-attn for attention "flash". A case whose package is missing is recorded as skipped. An H100 takes about five
minutes; the card should be idle. Without a GPU it says so and ends.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.gpu.case import cases
from benchmarks.gpu.compare import Compared, compare, summary
from benchmarks.gpu.measure import measured
from benchmarks.gpu.meter import CudaMeter, Meter, used_bytes
from benchmarks.gpu.overheads import measure_overheads

RESULTS = Path(__file__).with_name("results") / "gpu_memory.json"
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "flash-attn")
BUDGET_SECONDS = 450
ABOUT = "Bytes of real training steps on one GPU, by python -m benchmarks.gpu_memory: peaks of torch's allocator, and \
the process by the driver's count."


def _versions() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def measure_all(meter: Meter, budget: float = BUDGET_SECONDS) -> list[dict[str, Any]]:
    """A row for each case, as far as the time goes; the rest is named on standard error."""
    rows: list[dict[str, Any]] = []
    end = time.monotonic() + budget
    chosen = cases()
    for case in chosen:
        if time.monotonic() > end:
            print(f"time is up: {len(chosen) - len(rows)} cases were not measured", file=sys.stderr)
            break
        rows.append(measured(case, meter))
    return rows


def record() -> dict[str, Any]:
    """What is written after a run on the first GPU."""
    idle = used_bytes()
    import torch

    overheads = measure_overheads(torch.cuda.device_count())
    rows = measure_all(CudaMeter(idle))
    properties = torch.cuda.get_device_properties(0)
    return {
        "about": ABOUT,
        "date": datetime.now(UTC).date().isoformat(),
        "card": properties.name,
        "card_bytes": properties.total_memory,
        "versions": {**dict(_versions()), "cuda": torch.version.cuda},
        "overheads": overheads,
        "rows": rows,
    }


def show(compared: Sequence[Compared]) -> None:
    """A line for each case, and one for all."""
    for each in compared:
        case = each.case
        what = f"{case.model} x{case.num_hidden_layers} {case.method} {case.optimizer} {case.dtype} {case.attention}"
        how = f"{case.micro_batch_size} x {case.sequence_length}{' checkpointed' * case.activation_checkpointing}"
        print(f"{what}, {how}: tensors {each.allocated:+.2%}, process {each.process:+.2%}")
    print(summary(compared))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure where there is a GPU; compare what is recorded."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--compare", action="store_true", help="compare what is recorded; measure nothing")
    options = parser.parse_args(arguments)
    if not options.compare:
        if not torch.cuda.is_available():
            print("No CUDA GPU here: nothing is measured, and the recorded results stay as they are.")
            return
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
    if not RESULTS.exists():
        print("Nothing is recorded yet: no GPU was at hand.")
        return
    show(list(compare(json.loads(RESULTS.read_text(encoding="utf-8"))["rows"])))


if __name__ == "__main__":
    main()
