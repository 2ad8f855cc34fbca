"""Tokenizer and data as Megatron's arguments, from the target's options."""

from ftspec.backends.megatron.argument import Argument
from ftspec.backends.megatron.options import MegatronOptions


def data_arguments(options: MegatronOptions) -> list[Argument]:
    """The tokenizer, and the data where it is named."""
    arguments = _tokenizer_arguments(options)
    if options.data_path is not None:
        arguments += [
            Argument("data-path", (options.data_path,), "constant: target megatron { data_path }"),
            Argument("split", "969,30,1", "constant: what Megatron takes where nothing is said"),
        ]
    return arguments


def _tokenizer_arguments(options: MegatronOptions) -> list[Argument]:
    """Without a tokenizer Megatron does not start; for data that is token ids already NullTokenizer does."""
    if options.tokenizer is None:
        return [Argument("tokenizer-type", "NullTokenizer", "constant: the data is token ids already")]
    return [
        Argument("tokenizer-type", "HuggingFaceTokenizer", "constant: target megatron { tokenizer }"),
        Argument("tokenizer-model", options.tokenizer, "constant: target megatron { tokenizer }"),
    ]
