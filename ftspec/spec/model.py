"""The typed spec: one frozen dataclass a block, one annotated field a key (DESIGN of the language, fields).

None means "not written"; the plan's resolution decides what it becomes, and records why. The order
of fields is the canonical order in which the formatter and the docs list them.
"""

from dataclasses import field
from typing import Annotated, Literal

from ftspec.core.record import record
from ftspec.spec.kinds import (
    BY_KIND,
    BYTES,
    COUNT,
    DATA_RATE,
    DOLLARS,
    FILE_NAME,
    LAYERS,
    NON_NEGATIVE,
    POSITIVE,
    SECONDS,
    TEXT,
    TOKENS,
    WHOLE,
    ZERO_STAGE,
    Auto,
    Doc,
)
from ftspec.spec.methods import Full, Lora, Partial, Qlora
from ftspec.spec.optimizers import OptimizerChoice

Stack = Literal["deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp"]
StorageType = Literal["local", "nfs", "lustre", "gpfs", "weka", "object"]


@record
class MixtureOfExperts:
    """`model.moe`: the experts of a mixture-of-experts model."""

    num_experts: Annotated[int | None, COUNT, Doc("Routed experts in each MoE layer.")] = None
    num_experts_per_tok: Annotated[int | None, COUNT, Doc("Experts that each token is routed to (top-k).")] = None
    moe_intermediate_size: Annotated[int | None, COUNT, Doc("Width of one expert's MLP.")] = None
    num_shared_experts: Annotated[int | None, WHOLE, Doc("Experts that every token passes.")] = None
    first_k_dense_replace: Annotated[
        int | None, WHOLE, Doc("How many of the first layers have a dense MLP instead.")
    ] = None


@record
class MultiLatentAttention:
    """`model.mla`: DeepSeek's multi-head latent attention."""

    q_lora_rank: Annotated[
        int | None, COUNT, Doc("Rank of the query's compression; left out: queries are not compressed.")
    ] = None
    kv_lora_rank: Annotated[int | None, COUNT, Doc("Rank of the joint key and value compression.")] = None
    qk_nope_head_dim: Annotated[int | None, COUNT, Doc("Per-head query and key width without position.")] = None
    qk_rope_head_dim: Annotated[int | None, COUNT, Doc("Per-head query and key width with rotary position.")] = None
    v_head_dim: Annotated[int | None, COUNT, Doc("Per-head value width.")] = None


@record
class Model:
    """`model`: what is trained, from the catalog, a config.json or stated by its shape."""

    from_: Annotated[
        str | None,
        TEXT,
        Doc('A catalog id or short name, or the path of a Hugging Face config.json ("./config.json").'),
    ] = None
    num_hidden_layers: Annotated[int | None, LAYERS, Doc("Transformer layers.")] = None
    hidden_size: Annotated[int | None, COUNT, Doc("Width of the residual stream.")] = None
    intermediate_size: Annotated[int | None, COUNT, Doc("Width of the dense MLP.")] = None
    num_attention_heads: Annotated[int | None, COUNT, Doc("Query heads.")] = None
    num_key_value_heads: Annotated[int | None, COUNT, Doc("Key and value heads (grouped-query attention).")] = None
    head_dim: Annotated[int | None, COUNT, Doc("Width of one head.")] = None
    vocab_size: Annotated[int | None, COUNT, Doc("Vocabulary entries, before padding.")] = None
    tie_word_embeddings: Annotated[bool | None, Doc("Whether the output head is the input embedding.")] = None
    max_position_embeddings: Annotated[int | None, COUNT, Doc("Longest sequence the model was built for.")] = None
    mlp: Annotated[Literal["gated", "plain"] | None, Doc("Three MLP matrices (gate, up, down) or two.")] = None
    moe: Annotated[MixtureOfExperts | None, Doc("Mixture-of-experts layers.")] = None
    mla: Annotated[MultiLatentAttention | None, Doc("Multi-head latent attention.")] = None


@record
class CustomNetwork:
    """`hardware.network = { … }`: a network that the catalog lacks, or one of it with another bandwidth."""

    from_: Annotated[
        str | None, Doc("Catalog id of the network whose other facts hold, with a bandwidth of its own.")
    ] = None
    kind: Annotated[
        Literal["infiniband", "roce", "ethernet", "efa", "slingshot", "nvlink"] | None, Doc("The fabric.")
    ] = None
    bandwidth: Annotated[float | None, DATA_RATE, Doc("Of one port, one direction: `400Gbps` or `50GB/s`.")] = None


@record
class Hardware:
    """`hardware`: the GPUs, how they are grouped into nodes, and what joins the nodes."""

    gpu: Annotated[str | None, TEXT, Doc("Catalog id of the accelerator.")] = None
    nodes: Annotated[int | Auto | None, COUNT, Doc("Nodes of the job. Default 1.")] = None
    gpus_per_node: Annotated[int | None, COUNT, Doc("GPUs in a node. Default: the catalog's.")] = None
    gpu_memory: Annotated[int | None, BYTES, Doc("Memory of one GPU as sold; overrides the catalog.")] = None
    network: Annotated[
        str | CustomNetwork | None,
        TEXT,
        Doc("Catalog id of the network between nodes, or a block with kind and bandwidth."),
    ] = None
    host_memory: Annotated[int | None, BYTES, Doc("Main memory of one node.")] = None
    price_per_gpu_hour: Annotated[float | None, DOLLARS, Doc("US dollars for one GPU for one hour.")] = None


@record
class Precision:
    """`precision`: the data types of each part of the state. Defaults follow the stack."""

    compute: Annotated[
        Literal["bf16", "fp16", "fp32", "fp8"] | None,
        Doc("Data type of the matrix products. Default: bf16 where the GPU has it, else fp16."),
    ] = None
    parameters: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        Doc("Data type in which trainable parameters are held. Default: compute's."),
    ] = None
    master_parameters: Annotated[
        Literal["fp32", "none"] | None,
        Doc(
            "A second, fp32 copy of the parameters in the optimizer. "
            "Default: fp32 for 16-bit parameters under deepspeed and megatron, else none."
        ),
    ] = None
    gradients: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        Doc(
            "Data type in which gradients are accumulated. "
            "Default: the parameters'; fp32 for bf16 under megatron, and under megatron_deepspeed with ZeRO."
        ),
    ] = None
    optimizer_states: Annotated[
        Literal["fp32", "bf16", "int8"] | None,
        Doc(
            "Data type of the optimizer's moments. "
            "Default: that of the parameters which the optimizer holds; adamw_8bit: int8."
        ),
    ] = None


@record
class Checkpointing:
    """`activation_checkpointing = full { every = 1 }`: which layers are recomputed in the backward pass."""

    kind: Annotated[
        Literal["none", "selective", "full"],
        Doc("Keep all activations, recompute attention only, or recompute whole layers."),
    ] = "none"
    every: Annotated[int | None, COUNT, Doc("Layers in one recomputed group (full only). Default 1.")] = None


@record
class Scheduler:
    """`learning_rate_scheduler = cosine { warmup_steps = 100 }`."""

    kind: Annotated[Literal["constant", "linear", "cosine"], Doc("Shape of the decay after warm-up.")] = "constant"
    warmup_steps: Annotated[int | None, WHOLE, Doc("Steps of linear warm-up. Default 0.")] = None
    total_steps: Annotated[int | None, COUNT, Doc("Steps of the whole schedule. Default: the job's steps.")] = None
    minimum_learning_rate: Annotated[float | None, NON_NEGATIVE, Doc("Where the decay ends. Default 0.")] = None


@record
class Dataset:
    """`training.dataset`: how much there is to train on."""

    tokens: Annotated[int | None, TOKENS, Doc("Tokens of one epoch.")] = None


@record
class Training:
    """`training`: the method, the batch, what is kept of the forward pass, the optimizer and the length."""

    stack: Annotated[Stack | None, Doc("Who runs the job; memory differs by stack. Default: follows the targets.")] = (
        None
    )
    method: Annotated[Full | Lora | Qlora | Partial | None, BY_KIND, Doc("What is trained. Default full.")] = None
    sequence_length: Annotated[
        int | None, COUNT, Doc("Tokens in one sample. Default 4096, or the model's maximum if that is less.")
    ] = None
    micro_batch_size: Annotated[
        int | Auto | None,
        COUNT,
        Doc(
            "Samples in one forward pass of one data-parallel rank. "
            "Default: what the other two batch fields give, else 1."
        ),
    ] = None
    global_batch_size: Annotated[
        int | Auto | None,
        COUNT,
        Doc("Samples in one optimizer step over all ranks. Default: what the other two batch fields give."),
    ] = None
    gradient_accumulation_steps: Annotated[
        int | Auto | None,
        COUNT,
        Doc("Micro-batches in one optimizer step. Default: what the other two batch fields give, else 1."),
    ] = None
    activation_checkpointing: Annotated[
        Checkpointing | Auto | None, BY_KIND, Doc("What the backward pass recomputes. Default none.")
    ] = None
    attention: Annotated[
        Literal["flash", "sdpa", "eager"] | None,
        Doc("Attention kernel. Default: flash where the GPU has it, else sdpa."),
    ] = None
    loss: Annotated[
        Literal["standard", "chunked", "fused"] | None,
        Doc("How logits and cross entropy are computed. Default standard."),
    ] = None
    optimizer: Annotated[OptimizerChoice | None, BY_KIND, Doc("The optimizer and its settings. Default adamw.")] = None
    learning_rate_scheduler: Annotated[
        Scheduler | None, BY_KIND, Doc("How the learning rate changes over the steps. Default constant.")
    ] = None
    gradient_clipping: Annotated[
        float | None, NON_NEGATIVE, Doc("Largest gradient norm; 0 clips nothing. Default 1.0.")
    ] = None
    tokens: Annotated[int | None, TOKENS, Doc("Tokens to train on in all.")] = None
    steps: Annotated[int | None, COUNT, Doc("Optimizer steps in all.")] = None
    epochs: Annotated[float | None, POSITIVE, Doc("Passes over `dataset.tokens`.")] = None
    dataset: Annotated[Dataset | None, Doc("Size of the data, for `epochs`.")] = None
    seed: Annotated[int | None, WHOLE, Doc("Random seed. Default 1234.")] = None


@record
class Offload:
    """`parallelism.offload`: what is moved out of GPU memory."""

    optimizer: Annotated[Literal["none", "cpu", "nvme"] | None, Doc("Optimizer states and master parameters.")] = None
    parameters: Annotated[Literal["none", "cpu", "nvme"] | None, Doc("Parameters (ZeRO 3 only).")] = None


@record
class Parallelism:
    """`parallelism`: how the job is divided over the GPUs."""

    tensor: Annotated[int | Auto | None, COUNT, Doc("GPUs that share each matrix product. Default 1.")] = None
    pipeline: Annotated[int | Auto | None, COUNT, Doc("Pipeline stages. Default 1.")] = None
    virtual_pipeline: Annotated[
        int | Auto | None, COUNT, Doc("Chunks of layers in a stage (interleaved schedule). Default 1.")
    ] = None
    data: Annotated[int | Auto | None, COUNT, Doc("Data-parallel replicas. Default auto: what the GPUs leave.")] = None
    context: Annotated[int | Auto | None, COUNT, Doc("GPUs that share one sequence. Default 1.")] = None
    expert: Annotated[
        int | Auto | None, COUNT, Doc("GPUs that share the experts, inside data × context × tensor. Default 1.")
    ] = None
    expert_tensor: Annotated[int | Auto | None, COUNT, Doc("Tensor parallelism of the experts. Default: tensor's.")] = (
        None
    )
    zero_stage: Annotated[int | Auto | None, ZERO_STAGE, Doc("ZeRO stage, 0 to 3. Default 0; fsdp2: 3.")] = None
    sequence_parallel: Annotated[
        bool | None, Doc("Shard norms and dropouts along the sequence in the tensor group. Default false.")
    ] = None
    distributed_optimizer: Annotated[
        bool | None, Doc("Megatron's sharding of optimizer states. Default: true with zero_stage 1.")
    ] = None
    offload: Annotated[Offload | None, Doc("What is moved out of GPU memory.")] = None
    schedule: Annotated[
        Literal["1f1b", "interleaved", "gpipe"] | None,
        Doc("Pipeline schedule. Default 1f1b, interleaved with virtual_pipeline."),
    ] = None


@record
class Checkpoint:
    """`storage.checkpoint`: how often the job's state is written."""

    every: Annotated[float | None, SECONDS, Doc("Time between checkpoints.")] = None


@record
class Storage:
    """`storage`: where data is read from and checkpoints go."""

    kind: Annotated[StorageType | None, Doc("Kind of file system.")] = None
    read_bandwidth: Annotated[float | None, DATA_RATE, Doc("Of the whole job.")] = None
    write_bandwidth: Annotated[float | None, DATA_RATE, Doc("Of the whole job.")] = None
    checkpoint: Annotated[Checkpoint | None, Doc("How often checkpoints are written.")] = None


@record
class Spec:
    """A whole spec. Targets, variants and assertions are beside it: see `ftspec.spec.document`."""

    name: Annotated[str | None, FILE_NAME, Doc("Name of the job. Default: the file's name.")] = None
    model: Annotated[Model, Doc("What is trained.")] = field(default_factory=Model)
    hardware: Annotated[Hardware, Doc("What the job runs on.")] = field(default_factory=Hardware)
    precision: Annotated[Precision, Doc("The data types of each part of the state.")] = field(default_factory=Precision)
    training: Annotated[Training, Doc("The method, the batch, the optimizer and the length.")] = field(
        default_factory=Training
    )
    parallelism: Annotated[Parallelism, Doc("How the job is divided over the GPUs.")] = field(
        default_factory=Parallelism
    )
    storage: Annotated[Storage, Doc("Where data is read from and checkpoints go.")] = field(default_factory=Storage)
