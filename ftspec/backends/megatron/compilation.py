"""From a plan and a target block to Megatron's whole argument list."""

from ftspec.backends.megatron.argument import Argument, Value
from ftspec.backends.megatron.data_arguments import data_arguments
from ftspec.backends.megatron.flags import arguments_schema, find_flag
from ftspec.backends.megatron.layout_arguments import layout_arguments
from ftspec.backends.megatron.model_arguments import DEFAULT_VOCABULARY_MULTIPLE, model_arguments
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.backends.megatron.precision_arguments import precision_arguments
from ftspec.backends.megatron.training_arguments import training_arguments
from ftspec.plan.model import Plan


def planned_arguments(plan: Plan, options: MegatronOptions) -> list[Argument]:
    """What the plan and the options say, raw flags left out."""
    multiple = options.make_vocab_size_divisible_by or DEFAULT_VOCABULARY_MULTIPLE
    return [
        *model_arguments(plan, multiple),
        *layout_arguments(plan),
        *precision_arguments(plan),
        *training_arguments(plan),
        *data_arguments(options),
    ]


def raw_arguments(raw: dict[str, Value]) -> list[Argument]:
    """The raw flags in the order in which they were written; `false` leaves a flag out."""
    arguments = []
    for key, value in raw.items():
        flag = find_flag(key)
        if flag is not None and value is not False:
            arguments.append(Argument(flag, tuple(value) if isinstance(value, list) else value, "raw"))
    return arguments


def with_raw(planned: list[Argument], raw: dict[str, Value]) -> list[Argument]:
    """Planned and raw arguments; a raw flag replaces the planned one."""
    replaced = {find_flag(key) for key in raw}
    return [argument for argument in planned if argument.flag not in replaced] + raw_arguments(raw)


def invalid_arguments(arguments: list[Argument]) -> list[str]:
    """What the schema of Megatron's parser says against an argument list; empty if nothing."""
    from jsonschema import Draft202012Validator

    mapping = {
        argument.flag: list(argument.value) if isinstance(argument.value, tuple) else argument.value
        for argument in arguments
    }
    return [error.message for error in Draft202012Validator(arguments_schema()).iter_errors(mapping)]
