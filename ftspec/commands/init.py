"""`ftspec init [NAME]`: a commented starter spec that checks clean."""

import argparse
import os
import sys

SUMMARY = "write a starter spec"

STARTER = """\
ft 1
name = "{name}"

# What is trained: a row of `ftspec catalog models`, or a path such as "./config.json".
model {{ from = "meta-llama/Llama-3.1-8B" }}

# Where: a row of `ftspec catalog hardware`. With more than one node, say what joins them:
# network = "InfiniBand-NDR"
hardware {{
  gpu = "H100-SXM5-80GB"
  nodes = 1
  gpus_per_node = 8
}}

precision {{ compute = bf16 }}

training {{
  method = full                          # or lora {{ rank = 16 }}, qlora {{ rank = 16 }}, partial {{ last_layers = 4 }}
  sequence_length = 4Ki                  # 4Ki is 4,096; 4k is 4,000
  micro_batch_size = 1
  global_batch_size = 64                 # gradient accumulation follows
  activation_checkpointing = full
  optimizer = adamw {{ learning_rate = 1e-5  weight_decay = 0.1 }}
  tokens = 1B
}}

parallelism {{
  data = auto                            # what tensor, pipeline and context leave of the GPUs
  zero_stage = 3
}}

# `ftspec compile {file} --out out` writes the files of these.
target deepspeed {{}}
target hydra {{}}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default="job", help="name of the job and of its file (default: job)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write NAME.ft unless it exists."""
    path = arguments.name if arguments.name.endswith(".ft") else f"{arguments.name}.ft"
    name = os.path.basename(path).removesuffix(".ft")
    # Only what needs no quoting anywhere
    if not name or not all(character.isalnum() or character in "-_. " for character in name):
        print(f"ftspec init: {arguments.name!r} makes no file name: use letters, digits, - and _", file=sys.stderr)
        return 2
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(STARTER.format(name=name, file=os.path.basename(path)))
    except FileExistsError:
        print(f"ftspec init: {path} exists already; nothing was written", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"ftspec init: cannot write {path}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{path}\nnow: ftspec check {path}; ftspec memory {path}; ftspec compile {path} --out out")
    return 0
