"""The estimate of a DeepSpeed job against what real engines allocate, for any number of ranks.

The engines run by the file that we emit for the same plan, on real tensors, one process each (`deepspeed_trace.py`).
"""

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

from ftspec.backends.registry import compile_target
from ftspec.memory.estimate import estimate_memory
from ftspec.pipeline import check_text
from ftspec.plan.model import Plan
from tests.oracles.deepspeed_extension import environment

SPEC = """ft 1
model {{
  num_hidden_layers = 8  hidden_size = 256  intermediate_size = 704  num_attention_heads = 4  num_key_value_heads = 2
  head_dim = 64  vocab_size = 2048  max_position_embeddings = 256  tie_word_embeddings = false
}}
hardware {{ gpu = "CPU"  nodes = 1  gpus_per_node = {ranks} }}
precision {{ compute = {compute}  {precision} }}
training {{
  stack = deepspeed  sequence_length = {length}  micro_batch_size = 2  attention = sdpa
  gradient_accumulation_steps = {steps}  activation_checkpointing = {checkpointing}  {method}
}}
parallelism {{ data = {ranks}  zero_stage = {stage}  {offload} }}
target deepspeed {{ raw {{ zero_optimization {{ {raw} }} }} }}
"""
NOTHING_MORE = dict.fromkeys(("precision", "method", "offload", "raw"), "")
DEFAULTS = {**NOTHING_MORE, "compute": "bf16", "length": 32, "steps": 1, "checkpointing": "none"}
BUCKET = "reduce_bucket_size = 800000"
"""About a layer: as ten times an 8-billion-parameter model's layers are to DeepSpeed's own bucket, times ten."""
ZERO_3 = (
    f"{BUCKET}  stage3_prefetch_bucket_size = 169000  stage3_max_live_parameters = 2500000"
    "  stage3_max_reuse_distance = 2500000  stage3_param_persistence_threshold = 338  sub_group_size = 1000000"
)
"""DeepSpeed's own limits, scaled down as the model is."""
LORA = "method = lora { rank = 64  targets = all_linear }"
SMALL_BUCKET = "reduce_bucket_size = 100000"
"""For adapters, of which a layer has few elements."""
OFFLOAD = "offload { optimizer = cpu }"

EXACT: dict[str, dict[str, Any]] = {
    "no ZeRO": {"ranks": 8, "stage": 0},
    "no ZeRO, accumulated": {"ranks": 4, "stage": 0, "steps": 3},
    "no ZeRO, fp16": {"ranks": 4, "stage": 0, "compute": "fp16"},
    "ZeRO 1, fp16": {"ranks": 1, "stage": 1, "raw": BUCKET, "compute": "fp16"},
    "ZeRO 2, fp16": {"ranks": 4, "stage": 2, "raw": BUCKET, "compute": "fp16"},
    "no ZeRO, fp32": {"ranks": 4, "stage": 0, "compute": "fp32"},
    "no ZeRO, adapters": {"ranks": 4, "stage": 0, "method": LORA},
    "ZeRO 1, adapters": {"ranks": 4, "stage": 1, "raw": SMALL_BUCKET, "method": LORA},
    "no ZeRO, SGD": {"ranks": 4, "stage": 0, "method": "optimizer = sgd { momentum = 0.9  weight_decay = 0.01 }"},
    "no ZeRO, SGD without decay": {"ranks": 4, "stage": 0, "method": "optimizer = sgd { weight_decay = 0.0 }"},
    "ZeRO 1 of one rank": {"ranks": 1, "stage": 1, "raw": BUCKET},
    "ZeRO 2 of two ranks": {"ranks": 2, "stage": 2, "raw": BUCKET},
    "BF16_Optimizer": {"ranks": 4, "stage": 1, "raw": BUCKET, "precision": "gradients = fp32"},
    "BF16_Optimizer, accumulated": {"ranks": 4, "stage": 1, "raw": BUCKET, "precision": "gradients = fp32", "steps": 3},
    "ZeRO 2, fp32 gradients": {"ranks": 4, "stage": 2, "raw": BUCKET, "precision": "gradients = fp32"},
    "ZeRO 2, accumulated": {"ranks": 4, "stage": 2, "raw": BUCKET, "steps": 3},
    "ZeRO 2, checkpointed": {"ranks": 8, "stage": 2, "raw": BUCKET, "checkpointing": "full"},
    "ZeRO 1, long": {"ranks": 4, "stage": 1, "raw": BUCKET, "length": 256},
    "ZeRO 1, two buckets": {"ranks": 4, "stage": 1, "raw": f"{BUCKET}  overlap_comm = true"},
    "ZeRO 1, a bucket for all": {"ranks": 4, "stage": 1, "raw": "reduce_bucket_size = 20000000"},
}
"""Where the peak is made of parts whose size does not depend on where a partition ends."""

BOUNDED: dict[str, dict[str, Any]] = {
    "no ZeRO, Adafactor": {"ranks": 4, "stage": 0, "method": "optimizer = adafactor { }"},
    "no ZeRO, Muon": {"ranks": 4, "stage": 0, "method": "optimizer = muon { }"},
    "ZeRO 1 of eight ranks": {"ranks": 8, "stage": 1, "raw": BUCKET},
    "ZeRO 2 of eight ranks": {"ranks": 8, "stage": 2, "raw": BUCKET},
    "ZeRO 2, adapters, accumulated": {"ranks": 4, "stage": 2, "raw": SMALL_BUCKET, "method": LORA, "steps": 2},
    "ZeRO 3, adapters": {"ranks": 4, "stage": 3, "raw": ZERO_3.replace(BUCKET, SMALL_BUCKET), "method": LORA},
    "ZeRO 3": {"ranks": 4, "stage": 3, "raw": ZERO_3},
    "ZeRO 3 of one rank": {"ranks": 1, "stage": 3, "raw": ZERO_3},
    "ZeRO 3 of eight ranks": {"ranks": 8, "stage": 3, "raw": ZERO_3},
    "ZeRO 3, fp32 gradients, accumulated": {
        "ranks": 4, "stage": 3, "raw": ZERO_3, "precision": "gradients = fp32", "steps": 3,
    },
    "ZeRO 3, checkpointed": {"ranks": 4, "stage": 3, "raw": ZERO_3, "length": 256, "checkpointing": "full"},
    "ZeRO 3, nothing ahead": {"ranks": 4, "stage": 3, "raw": ZERO_3.replace("169000", "0"), "checkpointing": "full"},
    "ZeRO 3, one by one": {"ranks": 4, "stage": 3, "raw": f"{ZERO_3}  stage3_allgather_sequential = true"},
}  # fmt: skip
"""Where hooks decide the moment at which a bucket is full, and what is gathered depends on the order of modules."""

HOSTS: dict[str, dict[str, Any]] = {
    **{
        f"offloaded, ZeRO {stage}, {steps} steps": {
            "ranks": 4, "stage": stage, "steps": steps, "raw": BUCKET, "offload": OFFLOAD,
        }
        for stage in (1, 2, 3)
        for steps in (1, 2)
    },
    "offloaded with parameters": {
        "ranks": 4, "stage": 3, "raw": f"{BUCKET}  sub_group_size = 400000",
        "offload": "offload { optimizer = cpu  parameters = cpu }",
    },
}  # fmt: skip


class Traced(NamedTuple):
    plan: Plan
    said: dict[str, Any]

    @property
    def peak(self) -> int:
        return int(max(self.said["peaks"].values()))


def planned(**said: Any) -> tuple[Plan, dict[str, Any]]:
    """A job's plan, and the file that we emit for it."""
    checked = check_text(SPEC.format(**{**DEFAULTS, **said}), "job.ft")
    assert checked.document is not None
    (plan,) = checked.plans
    (artefact,) = compile_target(checked.document.targets[0], checked.plans).artefacts
    config = json.loads(artefact.text)
    if plan.precision.compute == "fp16":
        config["fp16"]["loss_scale"] = 1  # a search for a scale skips the first steps
    return plan, config


def described(name: str, plan: Plan, config: dict[str, Any]) -> dict[str, Any]:
    names = (
        "num_hidden_layers hidden_size intermediate_size num_attention_heads num_key_value_heads head_dim vocab_size "
        "tie_word_embeddings max_position_embeddings"
    )
    return {
        "name": name,
        "config": config,
        "shape": {each: getattr(plan.model.shape, each) for each in names.split()},
        "sequence_length": plan.training.sequence_length,
        "activation_checkpointing": plan.training.activation_checkpointing == "full",
        "trained_layers": 0,
        "lora_rank": plan.training.method.rank,
    }


@pytest.fixture(scope="module")
def traced() -> dict[str, Traced]:
    """Every job's trace, those of the same number of ranks in one process."""
    plans: dict[str, Plan] = {}
    jobs: dict[int, list[dict[str, Any]]] = {}
    for name, said in {**EXACT, **BOUNDED, **HOSTS}.items():
        plans[name], config = planned(**said)
        jobs.setdefault(said["ranks"], []).append(described(name, plans[name], config))
    said = {each["name"]: each for ranks, some in jobs.items() for each in _trace(ranks, some)}
    return {name: Traced(plan, said[name]) for name, plan in plans.items()}


def _trace(ranks: int, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.oracles.deepspeed_trace", str(ranks), "0"]
    variables = {**os.environ, **environment()}
    done = subprocess.run(
        command, input=json.dumps(jobs), env=variables, check=False, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index('[{"name"') :])
    return found


@pytest.mark.parametrize("name", EXACT)
def test_the_peak_is_the_engines(traced: dict[str, Traced], name: str) -> None:
    """But for counters, scalars and ids of a few kilobytes."""
    plan, said = traced[name]
    assert said["skipped_steps"] == 0
    assert estimate_memory(plan).fullest.allocated_peak_bytes == pytest.approx(traced[name].peak, rel=5e-4)


@pytest.mark.parametrize("name", BOUNDED)
def test_the_peak_is_a_bound_that_is_near(traced: dict[str, Traced], name: str) -> None:
    estimated = estimate_memory(traced[name].plan).fullest.allocated_peak_bytes
    assert 0.998 * traced[name].peak <= estimated <= 1.055 * traced[name].peak


def test_each_wrapper_was_seen(traced: dict[str, Traced]) -> None:
    assert {each.said["optimizer"] for each in traced.values()} == {
        "AdamW",
        "FP16_UnfusedOptimizer",
        "BF16_Optimizer",
        "DeepSpeedZeroOptimizer",
        "DeepSpeedZeroOptimizer_Stage3",
    }


@pytest.mark.parametrize("name", HOSTS)
def test_the_host_has_the_engines_buffers(traced: dict[str, Traced], name: str) -> None:
    """Byte for byte, but for the gradients that ZeRO 2 keeps between micro-batches: whole tensors, so that a bound of
    half a tensor more is all that can be said.
    """
    plan, said = traced[name]
    ranks = plan.hardware.world_size
    for term, there in said["host"].items():
        estimated = estimate_memory(plan).host.terms.get(term, 0) // ranks
        if term == "gradients" and name == "offloaded, ZeRO 2, 2 steps":
            assert there <= estimated <= 1.05 * there
        else:
            assert there == estimated, term
