"""What `target hydra { … }` may say: who launches the job, and the script that is launched."""

from typing import Annotated, Literal

from ftspec.core.record import record
from ftspec.spec.kinds import SECONDS, TEXT, Doc, Number

PORT = Number(minimum=1, maximum=65535, whole=True)

_PORT = Doc("Port of the rendezvous on the first node. Default 29500, torchrun's own.")


@record
class Torchrun:
    """One `torchrun` line, run on every node."""

    host: Annotated[
        str | None,
        TEXT,
        Doc("The first node's name. Default: localhost on one node, else $MASTER_ADDR where the line is run."),
    ] = None
    port: Annotated[int | None, PORT, _PORT] = None
    kind: Annotated[Literal["torchrun"], Doc("The launcher's word.")] = "torchrun"


@record
class Slurm:
    """One `sbatch` line that starts torchrun on every node of the allocation."""

    partition: Annotated[str | None, TEXT, Doc("Partition that the job is queued in. Default: the cluster's.")] = None
    account: Annotated[str | None, TEXT, Doc("Account that is charged. Default: the user's.")] = None
    qos: Annotated[str | None, TEXT, Doc("Quality of service. Default: the partition's.")] = None
    time: Annotated[float | None, SECONDS, Doc("Limit of the job's run time. Default: the partition's.")] = None
    port: Annotated[int | None, PORT, _PORT] = None
    kind: Annotated[Literal["slurm"], Doc("The launcher's word.")] = "slurm"


@record
class Local:
    """One `python` process on one GPU."""

    kind: Annotated[Literal["local"], Doc("The launcher's word.")] = "local"


Launcher = Torchrun | Slurm | Local


@record
class HydraOptions:
    """The options of the target."""

    launcher: Annotated[Torchrun | Slurm | Local | None, Doc("Who starts the processes. Default torchrun.")] = None
    script: Annotated[str | None, TEXT, Doc("The training script. Default train.py.")] = None
    arguments: Annotated[
        tuple[Annotated[str, TEXT], ...] | None, Doc("Arguments of the training script. Default none.")
    ] = None
