#!/usr/bin/env bash
# Several nodes of four GPUs: pairs of columns, replicated; the batch is split over the pairs and gradients are averaged.
# Submit with `sbatch --nodes=N scripts/slurm/several-nodes.sh DATA RUN [more of alexctl train]`.
#SBATCH --job-name=alexnet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
set -uo pipefail
data=${1:?the prepared dataset} run=${2:?the run\'s directory}
shift 2
# Neighbouring ranks share a pair, so the activations stay inside a node; only gradients cross between nodes.
srun --distribution=block python -m mpi4py -m alexnet train "$data" --gpus 0,1,2,3 --out "$run" --resume "$@"
code=$?
[ "$code" -eq 75 ] && scontrol requeue "$SLURM_JOB_ID"
exit "$code"
