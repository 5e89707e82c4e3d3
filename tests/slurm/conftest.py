"""A real Slurm of two nodes on this one machine, while the tests take: no root, no service, no file elsewhere."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
SCRIPTS = Path(__file__).parents[2] / "scripts" / "slurm"
NODES = ("one", "two")
CONFIGURATION = """
ClusterName=alexnet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=1
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
KillWait=10
FirstJobId={first_job}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4
PartitionName=main Nodes=one,two Default=YES
"""


class Cluster:
    """Slurm's commands, and the batch scripts of the project on CPUs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        self.environment["SLURM_CONF"] = str(folder / "slurm.conf")
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"
        self.train, self.reproduce = SCRIPTS / "train.sh", SCRIPTS / "reproduce.sh"

    def call(self, *command: object) -> str:
        done = subprocess.run(
            list(map(str, command)), env=self.environment, cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def submit(self, *options: object, script: Path | None = None, then: tuple[object, ...] = ()) -> str:
        """The number of a new job, on nodes without GPUs as docs/cluster.md says."""
        common = ("--parsable", "--gpus-per-node=0", "--cpus-per-task=1", f"--output={self.folder}/job-%A-%a.out")
        return self.call("sbatch", *common, *options, script or self.train, *then).strip()

    def field(self, job: str, name: str) -> str:
        """What Slurm says of a job."""
        words = self.call("scontrol", "show", "job", job).split()
        return next(word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}="))

    def begin(self, job: str) -> None:
        """Let a requeued job begin at once: by itself Slurm waits two minutes, counted from when it has cleaned up."""
        self.wait(job, "PENDING")
        time.sleep(3)  # a node refuses what was signed in the second in which the job's last signature ran out
        self.call("scontrol", "update", f"JobId={job}", "StartTime=now")

    def output(self, job: str) -> str:
        """What the job printed, and what Slurm says of it."""
        printed = "".join(path.read_text() for path in sorted(self.folder.glob(f"job-{job}-*.out")))
        return f"{printed}\n{self.call('scontrol', 'show', 'job', job)}"

    def wait(self, job: str, *states: str, seconds: float = 300) -> str:
        """Until a job is in one of these states."""
        limit = time.monotonic() + seconds
        while (state := self.field(job, "JobState")) not in states:
            assert time.monotonic() < limit, f"job {job} is {state}: {self.output(job)}"
            time.sleep(0.2)
        return state


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The cluster; where Slurm is not installed the tests are skipped."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [each for each in PROGRAMS if not shutil.which(each, path=path)]
    if missing:
        pytest.skip(f"no {missing[0]} here; on Debian or Ubuntu: apt-get install slurm-wlm")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    (cluster.folder / "state").mkdir()
    for node in NODES:
        (cluster.folder / f"spool-{node}").mkdir()
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    # Not those of an earlier cluster here: its killed processes left shared memory behind under their steps' names.
    first_job = random.SystemRandom().randrange(10**6, 6 * 10**7)
    names = {"first_job": first_job, "host": socket.gethostname().split(".")[0], "user": user, "folder": cluster.folder}
    (cluster.folder / "slurm.conf").write_text(CONFIGURATION.format(ports=free_ports(3), **names))
    daemons = []

    def start(*command: str) -> None:
        log = (cluster.folder / f"{'-'.join(command)}.log").open("w")
        program = shutil.which(command[0], path=path)
        assert program
        daemons.append(
            subprocess.Popen(
                [program, "-D", *command[1:]], env=cluster.environment, stdout=log, stderr=subprocess.STDOUT
            )
        )

    start("slurmctld")
    for node in NODES:
        start("slurmd", "-N", node)
    try:
        limit = time.monotonic() + 60
        ask = ["sinfo", "--noheader", "--format=%T"]
        while subprocess.run(ask, env=cluster.environment, capture_output=True, text=True).stdout != "idle\n":
            assert time.monotonic() < limit, [path.read_text() for path in cluster.folder.glob("*.log")]
            time.sleep(0.2)
        yield cluster
    finally:
        subprocess.run(["scancel", "--me"], env=cluster.environment, capture_output=True)
        for each in reversed(daemons):
            each.terminate()
            each.wait(timeout=60)
