"""Training methods: `method = full | lora { … } | qlora { … } | partial { … }`."""

from typing import Annotated, Literal

from ftspec.core.record import record
from ftspec.spec.kinds import COUNT, FRACTION, POSITIVE, TEXT, WHOLE, Doc

LoraTargets = Literal["attention", "all_linear"] | tuple[Annotated[str, TEXT], ...]


@record
class Full:
    """Every parameter is trained."""

    kind: Annotated[Literal["full"], Doc("The method's word.")] = "full"


@record
class Lora:
    """Low-rank adapters beside frozen weights (Hu et al. 2021)."""

    rank: Annotated[int | None, COUNT, Doc("Rank of each adapter. Default 16.")] = None
    alpha: Annotated[float | None, POSITIVE, Doc("Scale of the adapters. Default 2 × rank.")] = None
    dropout: Annotated[float | None, FRACTION, Doc("Dropout before the adapters. Default 0.")] = None
    targets: Annotated[
        LoraTargets | None, Doc("Layers with adapters: attention, all_linear or module names. Default all_linear.")
    ] = None
    adapter_dtype: Annotated[Literal["fp32", "bf16"] | None, Doc("Data type of the adapters. Default fp32.")] = None
    kind: Annotated[Literal["lora"], Doc("The method's word.")] = "lora"


@record
class Qlora:
    """LoRA over 4-bit base weights (Dettmers et al. 2023)."""

    rank: Annotated[int | None, COUNT, Doc("Rank of each adapter. Default 16.")] = None
    alpha: Annotated[float | None, POSITIVE, Doc("Scale of the adapters. Default 2 × rank.")] = None
    dropout: Annotated[float | None, FRACTION, Doc("Dropout before the adapters. Default 0.")] = None
    targets: Annotated[
        LoraTargets | None, Doc("Layers with adapters: attention, all_linear or module names. Default all_linear.")
    ] = None
    adapter_dtype: Annotated[Literal["fp32", "bf16"] | None, Doc("Data type of the adapters. Default fp32.")] = None
    quantization: Annotated[Literal["nf4", "fp4"] | None, Doc("4-bit data type of the base weights. Default nf4.")] = (
        None
    )
    double_quantization: Annotated[bool | None, Doc("Quantize the scales too. Default true.")] = None
    kind: Annotated[Literal["qlora"], Doc("The method's word.")] = "qlora"


@record
class Partial:
    """Only the last layers are trained."""

    last_layers: Annotated[int | None, WHOLE, Doc("How many of the last layers are trained. Default 1.")] = None
    embeddings: Annotated[bool | None, Doc("Train the input embedding too. Default false.")] = None
    head: Annotated[bool | None, Doc("Train the final norm and the output head too. Default false.")] = None
    kind: Annotated[Literal["partial"], Doc("The method's word.")] = "partial"
