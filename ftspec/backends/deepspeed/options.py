"""Options of `target deepspeed { … }` that are not keys of DeepSpeed's file under another name."""

from typing import Annotated

from ftspec.core.record import record
from ftspec.spec.kinds import Doc


@record
class DeepSpeedOptions:
    """`target deepspeed`: what the plan does not know and the file needs. Everything else goes through `raw`."""

    nvme_path: Annotated[str | None, Doc("Directory on a node-local NVMe drive, for offload to nvme.")] = None
