"""Storage: as written; nothing is assumed."""

from ftspec.plan.ledger import Ledger
from ftspec.plan.model import StoragePlan
from ftspec.spec.model import Storage

_NOT_STATED = "not stated"


def resolve_storage(written: Storage, ledger: Ledger) -> StoragePlan:
    """What is known of the job's storage. Rates in bytes per second, the interval in seconds."""
    checkpoint = written.checkpoint
    return StoragePlan(
        kind=ledger.take("storage.kind", written.kind, None, _NOT_STATED),
        read_bandwidth=ledger.take("storage.read_bandwidth", written.read_bandwidth, None, _NOT_STATED),
        write_bandwidth=ledger.take("storage.write_bandwidth", written.write_bandwidth, None, _NOT_STATED),
        checkpoint_every_seconds=ledger.take(
            "storage.checkpoint_every_seconds",
            checkpoint.every if checkpoint else None,
            None,
            "no checkpoints were asked for",
            "storage.checkpoint.every",
        ),
    )
