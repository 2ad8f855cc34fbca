"""The options of `target megatron { … }`."""

from typing import Annotated

from ftspec.core.record import record
from ftspec.spec.kinds import COUNT, Doc


@record
class MegatronOptions:
    """What Megatron-LM needs to know beyond the plan."""

    script: Annotated[
        str | None, Doc("Path of the training script; $MEGATRON_SCRIPT overrides it. Default pretrain_gpt.py.")
    ] = None
    tokenizer: Annotated[
        str | None,
        Doc("Hugging Face tokenizer, a name or a folder. Left out: the data is token ids already (NullTokenizer)."),
    ] = None
    data_path: Annotated[
        str | None, Doc("Prefix of the tokenized data set. Left out: give --data-path to train.sh.")
    ] = None
    make_vocab_size_divisible_by: Annotated[
        int | None, COUNT, Doc("The vocabulary is padded to a multiple of this × tensor parallelism. Default 128.")
    ] = None
