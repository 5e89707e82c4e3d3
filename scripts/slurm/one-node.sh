#!/usr/bin/env bash
# One node, two GPUs: a column each. Submit with `sbatch scripts/slurm/one-node.sh DATA RUN [more of alexctl train]`.
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
data=${1:?the prepared dataset} run=${2:?the run\'s directory}
shift 2
# TERM comes two minutes before the end: alexctl writes a checkpoint and ends with 75, and the job goes on later.
srun python -m mpi4py -m alexnet train "$data" --gpus 0,1 --out "$run" --resume "$@"
code=$?
[ "$code" -eq 75 ] && scontrol requeue "$SLURM_JOB_ID"
exit "$code"
