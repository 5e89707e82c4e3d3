#!/usr/bin/env bash
# The paper's claims, an item a job, into one folder that all nodes see:
#     alexctl reproduce --list --json          # "items" has their names; N of them are the array 0-(N-1)
#     sbatch --array=0-15 scripts/slurm/reproduce.sh OUT [more of alexctl reproduce, such as --scale full --imagenet DATA]
# Items share runs: of two jobs that need the same one, one trains it and the other waits. Each writes the page anew. An
# item's trainings have a GPU each.
#SBATCH --job-name=reproduce
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
set -uo pipefail
out=${1:?the folder of the reproduction}
shift
[ -z "${SLURM_GPUS_ON_NODE:-}" ] || set -- "$@" --gpus "$(seq -s, 0 $((SLURM_GPUS_ON_NODE - 1)))"
mapfile -t items < <(alexctl reproduce --list --json | tail -n 1 |
    python -c 'import json, sys; print("\n".join(each["name"] for each in json.load(sys.stdin)["items"]))')
item=${items[${SLURM_ARRAY_TASK_ID:?submit it as an array}]:?there are ${#items[@]} items}
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
srun --nodes=1 --ntasks=1 alexctl reproduce "$item" --out "$out" "$@"
code=$?
# TERM comes two minutes before the end: the run is kept, alexctl ends with 75, and the job goes on later.
[ "$code" -ne 75 ] || scontrol requeue "$SLURM_JOB_ID"
exit "$code"
