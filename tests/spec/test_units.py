"""Units that the language does not have: which of its own is suggested."""

import pytest

from tests.spec.lowering import clean, only, pointed_at


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        ("storage { read_bandwidth = % }", "10GBps", "10GB/s"),
        ("storage { read_bandwidth = % }", "10MBps", "10MB/s"),
        ("storage { read_bandwidth = % }", "10GBPS", "10GB/s"),
        ("storage { read_bandwidth = % }", "10gB/s", "10GB/s"),
        ("storage { read_bandwidth = % }", "10GB/sec", "10GB/s"),
        ("storage { read_bandwidth = % }", "10GB/S", "10GB/s"),
        ("storage { read_bandwidth = % }", "10gbps", "10Gbps"),
        ("storage { read_bandwidth = % }", "10gb/s", "10Gb/s"),
        ("storage { read_bandwidth = % }", "10Gbits", "10Gbps"),
        ("hardware { gpu_memory = % }", "80GBs", "80GB"),
        ("hardware { gpu_memory = % }", "80G", "80GB"),
        ("hardware { gpu_memory = % }", "80gib", "80GiB"),
        ("storage { checkpoint { every = % } }", "30m", "30min"),
        ("storage { checkpoint { every = % } }", "1hr", "1h"),
        ("storage { checkpoint { every = % } }", "2hours", "2h"),
        ("storage { checkpoint { every = % } }", "30minutes", "30min"),
        ("storage { checkpoint { every = % } }", "90sec", "90s"),
        ("training { sequence_length = % }", "4K", "4Ki"),
        ("training { tokens = % }", "4K", "4k"),
        ("training { tokens = % }", "1bn", "1B"),
        ("training { tokens = % }", "1G", "1B"),
    ],
)
def test_a_unit_is_suggested_with_the_dimension_of_the_field(field: str, written: str, meant: str) -> None:
    finding = only(field.replace("%", written))
    assert (finding.code, pointed_at(finding, field.replace("%", written))) == ("FT106", written)
    assert finding.help == f"did you mean `{meant}`?"
    clean(field.replace("%", meant))
