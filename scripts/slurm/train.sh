#!/usr/bin/env bash
# One node, two GPUs, a column each:
#     sbatch scripts/slurm/train.sh DATA RUN [more of alexctl train]
# Several nodes of four GPUs: pairs of columns, replicated; the batch is split over the pairs:
#     sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 scripts/slurm/train.sh DATA RUN
# Seeds 0 to 4, a job and a run each, RUN-0 to RUN-4:
#     sbatch --array=0-4 scripts/slurm/train.sh DATA RUN
# docs/cluster.md says more.
#SBATCH --job-name=alexnet
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
set -uo pipefail
data=${1:?the prepared dataset} run=${2:?the folder of the run}
shift 2
options=()
[ -z "${SLURM_GPUS_ON_NODE:-}" ] || options+=(--gpus "$(seq -s, 0 $((SLURM_GPUS_ON_NODE - 1)))")
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || run=$run-$SLURM_ARRAY_TASK_ID options+=(--seed "$SLURM_ARRAY_TASK_ID")

# Of Slurm's ways to join processes pip's MPICH knows this one; set the variable to pmix for an MPI that speaks that.
export SLURM_MPI_TYPE=${SLURM_MPI_TYPE:-pmi2}
# Newer versions of srun do not take this over from the job.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
# Processes that were killed leave shared memory behind under their step's name, and MPI would take it for that of a
# step of the same name: a job that begins again takes another step.
for _ in $(seq "${SLURM_RESTART_COUNT:-0}"); do srun --nodes=1 --ntasks=1 true; done
# Neighbouring ranks share a pair of columns: activations stay inside a node, only gradients cross between nodes. Where
# a process is killed the others are ended in a minute, not at once: after TERM each is given the time to end with 75.
srun --distribution=block --kill-on-bad-exit=0 --wait=60 \
    python -P -m mpi4py -m alexnet train "$data" --out "$run" --resume "${options[@]}" "$@"
code=$?
# TERM comes two minutes before the end: alexctl writes a checkpoint and ends with 75, and the job goes on later.
[ "$code" -ne 75 ] || scontrol requeue "$SLURM_JOB_ID"
exit "$code"
