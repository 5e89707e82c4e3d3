"""Memory is counted as a process may take it: what the machine has left, under the limits of its cgroups."""

import math

from made_up import tree

from alexnet.machine.memory import available


def of(tmp_path, cgroup, files, left="MemTotal: 9999999 kB\nMemAvailable:    4000 kB\n"):
    """The memory of a made-up machine."""
    tree(tmp_path, {"proc/self/cgroup": cgroup, "proc/meminfo": left, **files})
    return available(tmp_path / "proc", tmp_path / "sys")


def test_what_the_machine_has_left_counts(tmp_path):
    assert of(tmp_path, "0::/", {}) == 4_096_000


def test_the_tightest_limit_of_cgroups_version_2_counts(tmp_path):
    files = {
        "sys/fs/cgroup/slurm/job/step/memory.max": "max",
        "sys/fs/cgroup/slurm/job/memory.max": "3000000",
        "sys/fs/cgroup/slurm/memory.high": "2000000",
        "sys/fs/cgroup/memory.max": "3500000",
    }
    assert of(tmp_path, "0::/slurm/job/step", files) == 2_000_000


def test_limits_of_cgroups_version_1_count(tmp_path):
    files = {
        "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1000000",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/cpu/docker/abc/memory.limit_in_bytes": "5",
    }
    assert of(tmp_path, "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc", files) == 1_000_000


def test_what_others_in_a_group_hold_is_not_left_but_for_cached_files(tmp_path):
    files = {
        "sys/fs/cgroup/slurm/job/memory.max": "3000000",
        "sys/fs/cgroup/slurm/job/memory.current": "2000000",
        "sys/fs/cgroup/slurm/job/memory.stat": "anon 700000\nfile 1300000\nactive_file 300000\ninactive_file 900000",
        "sys/fs/cgroup/slurm/memory.max": "4000000",
        "sys/fs/cgroup/slurm/memory.current": "1000000",
    }
    assert of(tmp_path, "0::/slurm/job", files) == 3_000_000 - 800_000
    older = {
        "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1000000",
        "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "900000",
        "sys/fs/cgroup/memory/docker/abc/memory.stat": "active_file 1\ntotal_active_file 200000\ninactive_file 2\n"
        "total_inactive_file 300000",
    }
    assert of(tmp_path / "older", "4:memory:/docker/abc", older) == 1_000_000 - 400_000
    full = {"sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "1600000"}
    assert of(tmp_path / "full", "4:memory:/docker/abc", older | full) == 0


def test_in_a_container_the_roots_limit_counts(tmp_path):
    assert of(tmp_path, "0::/of/the/host", {"sys/fs/cgroup/memory.max": "1000000"}) == 1_000_000


def test_where_nothing_tells_there_is_no_limit(tmp_path):
    assert available(tmp_path / "proc", tmp_path / "sys") == math.inf
    assert of(tmp_path, "4:memory", {}, left="MemAvailable: many") == math.inf
    assert available() > 0
