"""Modules with weights: projections with and without adapters, norms, and the seams of sequence parallelism."""

from collections.abc import Iterator
from contextlib import contextmanager

from ftspec.memory.step.adapted import beside
from ftspec.memory.step.code import code_of
from ftspec.memory.step.form import Form
from ftspec.memory.step.norms import layer_norm, rms_norm, written_out_layer_norm
from ftspec.memory.step.operations import Program, gradient, passed
from ftspec.memory.step.setting import Setting
from ftspec.memory.step.tape import Step, Value

_VECTORS = {"layernorm": 2, "layernorm_nobias": 1, "none": 0}


class Builder(Program):
    """A program whose modules own weights: trained or frozen, at the setting's widths."""

    def __init__(self, setting: Setting, trained: bool) -> None:
        super().__init__(setting.compute, setting.several)
        self.setting, self.trained = setting, trained
        self.code = code_of(setting.shape)
        self.rows = Form(token=1)
        self.norm_rows = Form(shard=1) if setting.sequence_parallel else self.rows
        self.parts: list[tuple[str, int, int]] = []
        """Modules that may be recomputed: each with its first node, and the one behind its last."""
        self.products: list[int] = []
        """Elements of the trained matrices: those whose casts autocast remembers (ATen/autocast_mode.cpp,
        `cached_cast`: leaves that require a gradient)."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is recorded inside is a module of this name."""
        start = len(self.nodes)
        yield
        self.parts.append((name, start, len(self.nodes)))

    def weight(self, elements: int) -> Value:
        """One of the model's own tensors."""
        trained = self.trained and self.setting.adapter is None
        return Value(Form(elements), self.setting.parameters, "weight", needs_gradient=trained, trained=trained)

    def norm(self, value: Value, width: int, rows: Form | None = None) -> Value:
        """The model's norm over `width` features in each of `rows` rows (default: those of the residual stream)."""
        rows, kind, code = self.norm_rows if rows is None else rows, self.setting.shape.norm, self.code
        if kind == "rmsnorm":
            return rms_norm(self, value, rows, self.weight(width), code.norm == "fp32_scale")
        if code.norm == "written_out_layer_norm":
            return written_out_layer_norm(self, value, rows, self.weight(width))
        weights = tuple(self.weight(width) for _ in range(_VECTORS[kind]))
        if code.norm == "fp32_layer_norm":
            return self.cast(layer_norm(self, value, rows, weights, True), value.width)
        fp32 = self.setting.autocast and code.norm != "layer_norm_plus_one"
        return layer_norm(self, value, rows, weights, fp32)

    def linear(self, name: str, value: Value, inputs: int, outputs: int, bias: bool = False) -> Value:
        """A projection with its own weight, and its adapter if it has one; a 4-bit one gives its input's type
        (bitsandbytes/nn/modules.py, `Linear4bit.forward`).
        """
        if self.trained and self.setting.adapter is None and self.code.remembered_casts:
            self.products.append(inputs * outputs)
        bias_value = self.weight(outputs) if bias else None
        packed = self.setting.quantized and self.code.packed and name not in ("lm_head", "router")
        unpacked = Form(inputs * outputs * self.compute) if packed else None
        result = self.product(value, self.rows, self.weight(inputs * outputs), outputs, bias_value, unpacked)
        result = result if unpacked is None else self.cast(result, value.width)
        adapter = self.setting.adapter
        if adapter is None or not self.trained or name not in beside(self.setting.shape, adapter.targets):
            return result
        return self._adapted(value, result, inputs, outputs, packed)

    def _adapted(self, value: Value, result: Value, inputs: int, outputs: int, packed: bool) -> Value:
        """`lora.Linear.forward` (peft/tuners/lora/layer.py): `result + lora_B(lora_A(dropout(x))) * scaling`, in the
        adapter's type. Beside 4 bits (peft/tuners/lora/bnb.py, `Linear4bit.forward`) the result is copied first, the
        update is cast before the sum, and under autocast its input is not.
        """
        adapter = self.setting.adapter
        assert adapter is not None
        width = self.compute if self.setting.autocast else adapter.width
        down = Value(Form(inputs * adapter.rank), adapter.width, "weight", trained=True)
        up = Value(Form(adapter.rank * outputs), adapter.width, "weight", trained=True)
        result = self.contiguous(result) if packed else result
        operand = value if packed and self.setting.autocast else self.cast(value, adapter.width)
        operand = self.dropout(operand) if adapter.dropout else operand
        outer, self.compute = self.compute, width
        narrow = self.product(operand, self.rows, down, adapter.rank)
        scaled = self.scale(self.product(narrow, self.rows, up, outputs))
        self.compute = outer
        if packed and not self.setting.autocast:
            scaled = self.cast(scaled, result.width)
        self.hold(value)
        return self.cast(self.add(result, scaled), result.width)

    def gather(self, value: Value) -> Value:
        """All-gather of a sequence-parallel tensor before a product; its backward reduces and scatters the gradient."""
        if not self.setting.sequence_parallel:
            return value
        whole = Value(self.rows * self._features(value), value.width)
        return self.record((value,), whole, (), Step("allocate", whole.size), gradient(0))

    def scatter(self, value: Value) -> Value:
        """Reduce-scatter after a product; its backward gathers the gradient. A reduce-scatter takes rows in the order
        of the ranks: the sequence, the second dimension, is laid out anew before
        (torch/distributed/_functional_collectives.py, `reduce_scatter_single`).
        """
        if not self.setting.sequence_parallel:
            return value
        ordered = self.record((value,), Value(value.elements, value.width), (), passed(0))
        part = Value(self.norm_rows * self._features(value), value.width)
        result = self.record((ordered,), part, (), gradient(0))
        self.hold(value)
        return result

    @staticmethod
    def _features(value: Value) -> int:
        return value.elements.token or value.elements.shard
