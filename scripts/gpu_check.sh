#!/usr/bin/env bash
# On a machine with a GPU: the CUDA engine's tests on real devices, then its benchmarks, in one command of eight minutes
# at most: what is worth most comes first, and a part that hangs ends at its limit.
#   scripts/gpu_check.sh [OUT] [RECIPE] [BATCH]
# writes OUT/gpu_check.json, OUT/gpu_check.md and a log for each part (build/gpu_check, alexnet, 128). It goes on when a
# part fails, and ends with 1 if any did. A part that lacks its tool or a second GPU is skipped, with its reason.
# PATIENCE=N makes every limit N times as long.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/gpu_check} recipe=${2:-alexnet} batch=${3:-128}
python=${PYTHON:-python3}
mkdir -p "$out"
rm -f "$out"/*.log "$out"/*.result
export PYTHONPATH="tests/cuda${PYTHONPATH:+:$PYTHONPATH}"

part() {  # part NAME LIMIT COMMAND...: runs it for so many seconds at most into NAME.log, and notes how it ended
    local name=$1 limit=$(($2 * ${PATIENCE:-1})) status=passed start=$SECONDS
    shift 2
    timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1 || status=failed
    echo "$status $((SECONDS - start))" >"$out/$name.result"
    printf '%-24s %s (%s s)\n' "$name" "$status" "$((SECONDS - start))" >&2
}

skip() { echo "skipped $2" >"$out/$1.result"; printf '%-24s skipped: %s\n' "$1" "$2" >&2; }

gpus=$("$python" -c 'from alexnet.machine.hardware import asked; from alexnet.machine.devices import gpus; asked("0"); print(len(gpus()))' 2>"$out/devices.log") || {
    tail -1 "$out/devices.log" >&2
    exit 1
}
net=(tests/cuda/test_cuda_net.py tests/cuda/test_cuda_trainer.py)
part doctor 20 "$python" scripts/gpu_report.py doctor
part trajectories 60 env ALEXNET_GPU=1 "$python" -m pytest -q "${net[@]}" -k "not two_processes"
part operations 100 env ALEXNET_GPU=1 "$python" -m pytest -q tests/cuda "${net[@]/#/--ignore=}" \
    -k "not faults and not links and not compile and not check and not counts"
for precision in fp32 tf32 bf16; do  # each ends with 1 where a gradient is not the CPU engine's within its bound
    part "one_gpu_two_processes_$precision" 20 env ALEXNET_GPU=1 mpiexec -n 2 "$python" -m mpi4py \
        tests/cuda/cuda_net_program.py "$recipe" "$precision" 8
done
part staged_link 20 env ALEXNET_GPU=1 mpiexec -n 2 "$python" -m mpi4py tests/cuda/cuda_links_program.py shared bf16
if [ "$gpus" -ge 2 ]; then
    part nccl_link 20 env ALEXNET_GPU=1 mpiexec -n 2 "$python" -m mpi4py tests/cuda/cuda_links_program.py nccl bf16
else
    skip nccl_link "one GPU; NCCL needs two"
fi
bench=("$python" -m alexnet bench --recipe "$recipe" --batch "$batch" --json)
for precision in bf16 tf32 fp32; do
    part "bench_$precision" 20 "${bench[@]}" --gpus 0 --precision "$precision"
    if "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        part "torch_$precision" 30 "$python" scripts/gpu_torch.py --batch "$batch" --precision "$precision"
    else
        skip "torch_$precision" "no PyTorch that sees the GPU is installed"
    fi
    if [ "$gpus" -ge 2 ]; then
        part "bench_two_gpus_$precision" 20 "${bench[@]}" --gpus 0,1 --precision "$precision"
    else
        skip "bench_two_gpus_$precision" "one GPU"
    fi
done
for tool in memcheck racecheck initcheck synccheck; do
    if command -v compute-sanitizer >/dev/null; then
        part "sanitizer_$tool" 15 env ALEXNET_GPU=1 compute-sanitizer --tool "$tool" --error-exitcode 1 \
            "$python" tests/cuda/cuda_runner.py engine bf16 real
    else
        skip "sanitizer_$tool" "compute-sanitizer is not on PATH"
    fi
done
"$python" scripts/gpu_report.py write "$out" && ! grep -q ^failed "$out"/*.result
