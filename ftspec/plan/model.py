"""The typed plan: a spec with nothing left open.

Every leaf has an origin under its dotted path (`parallelism.tensor`) in `Plan.origins`. None means
"the job has none of it" (no network between nodes, no price known), never "not decided yet".
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ftspec.catalog.hardware import Accelerator, Network
from ftspec.catalog.shape import ModelShape
from ftspec.core.record import record
from ftspec.core.source import START, Place, Span
from ftspec.plan.megatron_settings import MegatronSettings
from ftspec.plan.origin import Origin
from ftspec.plan.stages import Stage
from ftspec.plan.zero_settings import ZeroSettings

Stack = Literal["deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp"]
ComputeType = Literal["bf16", "fp16", "fp32", "fp8"]
StorageDevice = Literal["none", "cpu", "nvme"]

DTYPE_BYTES: Mapping[str, int] = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
"""Bytes of one element of a data type."""


@record
class ModelPlan:
    """What is trained: its name for people, its shape and its exact parameter count."""

    id: str
    shape: ModelShape
    parameters: int


@record
class HardwarePlan:
    """The cluster of the job. `usable_memory_bytes` is what torch can allocate from on one GPU."""

    gpu: str
    accelerator: Accelerator
    nodes: int
    gpus_per_node: int
    world_size: int
    gpu_memory_bytes: int
    usable_memory_bytes: int
    network: Network | None
    host_memory_bytes: int | None
    price_per_gpu_hour: float | None


@record
class PrecisionPlan:
    """Data types: of the products, and of each part of the state."""

    compute: ComputeType
    parameters: Literal["fp32", "bf16", "fp16"]
    master_parameters: Literal["fp32", "none"]
    gradients: Literal["fp32", "bf16", "fp16"]
    optimizer_states: Literal["fp32", "bf16", "fp16", "int8"]


@record
class MethodPlan:
    """The training method. Fields of the other methods hold the value that changes nothing."""

    kind: Literal["full", "lora", "qlora", "partial"]
    rank: int = 0
    alpha: float = 0.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    adapter_dtype: Literal["fp32", "bf16"] = "fp32"
    quantization: Literal["none", "nf4", "fp4"] = "none"
    double_quantization: bool = False
    last_layers: int = 0
    embeddings: bool = False
    head: bool = False


@record
class OptimizerPlan:
    """The optimizer, every setting filled in."""

    kind: Literal["adamw", "adam", "sgd", "adamw_8bit", "adafactor", "muon", "lion"]
    learning_rate: float
    weight_decay: float
    beta1: float
    beta2: float
    epsilon: float
    momentum: float
    fused: bool
    paged: bool


@record
class SchedulerPlan:
    """The learning-rate schedule. `total_steps` is None where the job's length is open."""

    kind: Literal["constant", "linear", "cosine"]
    warmup_steps: int
    total_steps: int | None
    minimum_learning_rate: float


@record
class TrainingPlan:
    """The method, the batch triple (global = micro × accumulation × data), and what the step computes."""

    stack: Stack
    method: MethodPlan
    sequence_length: int
    micro_batch_size: int
    global_batch_size: int
    gradient_accumulation_steps: int
    activation_checkpointing: Literal["none", "selective", "full"]
    checkpoint_every_layers: int
    attention: Literal["flash", "sdpa", "eager"]
    loss: Literal["standard", "chunked", "fused"]
    optimizer: OptimizerPlan
    scheduler: SchedulerPlan
    gradient_clipping: float
    tokens: int | None
    steps: int | None
    seed: int


@record
class ParallelismPlan:
    """The layout. world_size = tensor × pipeline × context × data; experts lie inside data × context × tensor."""

    tensor: int
    pipeline: int
    virtual_pipeline: int
    data: int
    context: int
    expert: int
    expert_tensor: int
    zero_stage: Literal[0, 1, 2, 3]
    sequence_parallel: bool
    distributed_optimizer: bool
    offload_optimizer: StorageDevice
    offload_parameters: StorageDevice
    schedule: Literal["1f1b", "interleaved", "gpipe"]


@record
class StoragePlan:
    """Storage of the job; None where nothing was said. Rates in bytes per second."""

    kind: str | None
    read_bandwidth: float | None
    write_bandwidth: float | None
    checkpoint_every_seconds: float | None


@record
class Plan:
    """A job with everything decided, for one stack.

    `origins` has an entry for every leaf path of `ftspec.plan.fields.plan_paths()`; `places` has the
    places of what the user wrote, blocks included, under spec paths (`parallelism`, `training.method.rank`).
    """

    name: str
    model: ModelPlan
    hardware: HardwarePlan
    precision: PrecisionPlan
    training: TrainingPlan
    parallelism: ParallelismPlan
    storage: StoragePlan
    zero: ZeroSettings
    megatron: MegatronSettings
    stages: tuple[Stage, ...]
    origins: Mapping[str, Origin] = field(compare=False)
    places: Mapping[str, Place] = field(compare=False)
    path: str = field(default="", compare=False)

    def where(self, path: str) -> Span:
        """The span to point at for a spec path: its value, else its nearest written parent, else the file's start."""
        while path:
            place = self.places.get(path)
            if place is not None:
                return place.value
            path = path.rpartition(".")[0]
        return START

    def given(self, path: str) -> bool:
        """Whether the user wrote this spec path."""
        return path in self.places
