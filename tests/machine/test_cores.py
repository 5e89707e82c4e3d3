"""Cores are counted as a process may use them: by its mask, hyperthreads once, under its quotas, shared fairly."""

import json
import math
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_up import tree

from alexnet.machine import cores
from alexnet.machine.cores import Allowed, allowed, share


def on(*names, quota=math.inf, group=""):
    return Allowed(frozenset(map(int, names)), frozenset(names), quota, group)


def test_processes_that_may_run_on_the_same_cores_share_them():
    here = [on(*"01234567")] * 2
    assert share(here[0], here) == 4
    assert share(here[0], [here[0]] * 3) == 2
    assert share(here[0], [here[0]] * 16) == 1


def test_processes_that_are_bound_to_cores_of_their_own_keep_them():
    here = [on(*"0123"), on(*"4567")]
    assert [share(each, here) for each in here] == [4, 4]
    overlapping = [on(*"0123"), on(*"23")]
    assert [share(each, overlapping) for each in overlapping] == [3, 1]


def test_a_quota_is_shared_by_those_in_its_group():
    here = [on(*"01234567", quota=4.0, group="/job")] * 2
    assert share(here[0], here) == 2
    apart = [on(*"01234567", quota=3.5, group=f"/task{number}") for number in range(2)]
    assert share(apart[0], apart) == 3
    assert share(on(*"01", quota=0.2, group="/job"), [on(*"01", quota=0.2, group="/job")]) == 1


def machine(tmp_path, cgroup, files):
    """The quota of a made-up machine."""
    proc = tree(tmp_path / "proc", {"self/cgroup": cgroup})
    sys_ = tree(tmp_path / "sys", files)
    return allowed(proc, sys_).quota


def test_the_tightest_quota_of_cgroups_version_2_counts(tmp_path):
    files = {
        "fs/cgroup/slurm/job/step/cpu.max": "max 100000",
        "fs/cgroup/slurm/job/cpu.max": "150000 100000",
        "fs/cgroup/slurm/cpu.max": "800000 100000",
    }
    assert machine(tmp_path, "0::/slurm/job/step", files) == 1.5


def test_quotas_of_cgroups_version_1_are_found(tmp_path):
    files = {
        "fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "-1",
        "fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000",
        "fs/cgroup/cpu/docker/cpu.cfs_quota_us": "50000",
        "fs/cgroup/cpu/docker/cpu.cfs_period_us": "25000",
    }
    assert machine(tmp_path, "3:cpuset:/\n2:cpuacct,cpu:/docker/abc\n0::/docker/abc", files) == 2


@pytest.mark.parametrize("cgroup", ["0::/", "0::/system.slice/docker-1.scope", "0::/../.."])
def test_in_a_container_the_roots_quota_counts(tmp_path, cgroup):
    assert machine(tmp_path, cgroup, {"fs/cgroup/cpu.max": "200000 100000"}) == 2


@pytest.mark.parametrize("text", ["max 100000", "", "nonsense"])
def test_no_quota(tmp_path, text):
    assert machine(tmp_path, "0::/", {"fs/cgroup/cpu.max": text}) == math.inf
    assert allowed(tmp_path / "nowhere", tmp_path / "nowhere").quota == math.inf


def test_two_threads_of_a_core_count_once(tmp_path, monkeypatch):
    """Four cores of two threads each; the process may run on three threads, two of them of one core."""
    siblings = "devices/system/cpu/cpu{}/topology/thread_siblings_list"
    sys_ = tree(tmp_path / "sys", {siblings.format(cpu): f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 4, 5})
    own = allowed(tmp_path, sys_)
    assert len(own.threads) == 3 and own.cores == {"0,4", "1,5"}
    assert share(own, [own]) == 2


def test_threads_serve_jobs_and_cores_serve_sums(monkeypatch):
    own = Allowed(frozenset(range(8)), frozenset("0123"), 6.0, "/")
    monkeypatch.setattr(cores, "allowed", lambda: own)
    assert cores.cores() == 4 and cores.threads() == 6
    assert str(own) == "4 cores" and str(on(*"01", quota=1.0)) == "2 cores, of which a quota allows 1"


@contextmanager
def one_core_of_time():
    """A cgroup of this machine with a quota of one core."""
    v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = Path("/sys/fs/cgroup" if v2 else "/sys/fs/cgroup/cpu") / f"alexctl-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        if v2:
            (group / "cpu.max").write_text("100000 100000")
        else:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text("100000")
        yield group
    except OSError as error:
        pytest.skip(f"no quota can be set here: {error}")
    finally:
        group.rmdir()


@pytest.mark.skipif(len(allowed().cores) < 2, reason="one core is all there is")
def test_a_quota_of_this_machine_is_found(workshop, tmp_path):
    with one_core_of_time() as group:
        enter = f"echo $$ > {group}/cgroup.procs; exec {sys.executable} -m alexnet "
        done = subprocess.run(["sh", "-c", enter + "doctor --json"], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout.splitlines()[-1])["machine"].endswith("of which a quota allows 1")
        train = f"train {workshop.data} --recipe {workshop.recipe} --device cpu --procs 1 --steps 1"
        done = subprocess.run(
            ["sh", "-c", f"{enter}{train} --out {tmp_path}/run"], capture_output=True, text=True, check=True
        )
        assert "1 process of 1 thread on" in done.stderr
