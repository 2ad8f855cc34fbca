"""How long a memory estimate takes: one at a time and as a batch of layouts, beside llm-analysis in the same run.

    python -m benchmarks.memory_speed [--profile]

Asked: one estimate in at most 200 µs, a million a second on one core as a batch. Every estimate is of another sequence
length, so that nothing of the one before it is found again but what belongs to the model. Times are of the processor,
so that what else the machine does counts less; numpy's integer arithmetic, which is what a batch runs, has no threads.
"""

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from benchmarks.layouts import LENGTHS, columns, job
from benchmarks.peers.llm_analysis import summary
from ftspec.memory.batch import estimate_batch
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan
from ftspec.spec.model import Checkpointing, Model, Parallelism, Precision, Training
from tests.memory.plans import plan_of

ASKED_MICROSECONDS = 200
ASKED_A_SECOND = 1_000_000
RUNS = 200
REPEATS = 5
BF16 = Precision(compute="bf16")


def plans() -> dict[str, Plan]:
    """The jobs whose single estimates are measured."""
    training = Training(
        sequence_length=4096, micro_batch_size=1, activation_checkpointing=Checkpointing("full"), loss="standard"
    )
    many = replace(training, gradient_accumulation_steps=32)
    large = Model(from_="meta-llama/Llama-3.1-70B")
    layout = Parallelism(tensor=8, pipeline=4, sequence_parallel=True, distributed_optimizer=True, zero_stage=1)
    deep = replace(layout, pipeline=16, virtual_pipeline=5, schedule="interleaved")
    return {
        "one GPU": plan_of("ddp", precision=BF16, training=training),
        "FSDP2, 64 GPUs": plan_of("fsdp2", model=large, gpus=64, precision=BF16, training=training),
        "DeepSpeed ZeRO 3, 64 GPUs": plan_of(
            "deepspeed", model=large, gpus=64, precision=BF16, training=training, parallelism=Parallelism(zero_stage=3)
        ),
        "Megatron TP8 PP4": plan_of(
            "megatron", model=large, gpus=128, precision=BF16, training=many, parallelism=layout
        ),
        "Megatron TP8 PP16, 5 chunks": plan_of(
            "megatron", model=large, gpus=256, precision=BF16, training=many, parallelism=deep
        ),
    }


def variations(plan: Plan, runs: int = RUNS) -> Iterator[Plan]:
    """The plan with other sequence lengths."""
    for number in range(runs):
        yield replace(plan, training=replace(plan.training, sequence_length=2048 + 8 * number))


def microseconds(estimate: Callable[[Plan], object], several: Sequence[Plan]) -> float:
    """The median time of one estimate."""
    times = []
    for plan in several:
        start = time.process_time()
        estimate(plan)
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e6


def batch_rate(lengths: tuple[int, ...], repeats: int = REPEATS) -> tuple[int, float]:
    """The number of layouts, and estimates a second: the best of some runs after one that fills the caches."""
    plan = job()
    layouts = columns(plan, lengths)
    rows = len(layouts["parallelism.tensor"])
    times = []
    for _ in range(1 + repeats):
        start = time.process_time()
        estimate_batch(plan, layouts)
        times.append(time.process_time() - start)
    return rows, rows / min(times[1:])


def peer_microseconds(plan: Plan) -> float | None:
    """llm-analysis's time for the same plans, interleaved stages as plain ones; None where it is not installed."""
    try:
        summary(plan)
    except ImportError:
        return None
    return microseconds(summary, list(variations(plan)))


def profile() -> None:
    """Where the time of both paths goes."""
    plan = job()
    layouts = columns(plan, LENGTHS)
    several = list(variations(plans()["Megatron TP8 PP16, 5 chunks"]))
    for title, run in (
        ("batch", lambda: estimate_batch(plan, layouts)),
        ("single estimates", lambda: [estimate_memory(each) for each in several]),
    ):
        run()
        profiler = cProfile.Profile()
        profiler.runcall(run)
        print(f"\n{title}")
        pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def show_batches(single: float, peer: float | None) -> None:
    """The batch's rate for one job, and for a search over sequence lengths too, beside the microseconds of others."""
    for lengths in (LENGTHS[:1], LENGTHS):
        rows, rate = batch_rate(lengths)
        print(f"batch of {rows:,} layouts: {rate:,.0f} estimates a second (asked: at least {ASKED_A_SECOND:,})")
        print(f"  {rate * single / 1e6:,.0f} times the rate of single estimates (Megatron TP8 PP16)")
        print(
            f"  {rate * peer / 1e6:,.0f} times the rate of llm-analysis" if peer else "  llm-analysis is not installed"
        )


def main() -> None:
    """Print both, and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--profile", action="store_true", help="print where the time goes, too")
    options = parser.parse_args()
    single = {}
    for name, plan in plans().items():
        estimate_memory(plan)
        single[name] = microseconds(estimate_memory, list(variations(plan)))
        peer = peer_microseconds(plan)
        beside = f"; llm-analysis {peer:.0f} µs, {peer / single[name]:.1f} times as long" if peer else ""
        print(f"{name}: {single[name]:.0f} µs (asked: at most {ASKED_MICROSECONDS}){beside}")
    show_batches(single["Megatron TP8 PP16, 5 chunks"], peer_microseconds(job()))
    if options.profile:
        profile()


if __name__ == "__main__":
    main()
