#!/usr/bin/env bash
# On a machine with a GPU: the CUDA engine's tests on real devices, then its benchmarks, in one command.
#   scripts/gpu_check.sh [OUT]      writes OUT/gpu_check.json, OUT/gpu_check.md and a log for each part (OUT: build/gpu_check)
# It goes on when a part fails, and ends with 1 if any did. A part that lacks its tool or a second GPU is skipped, with
# its reason.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/gpu_check}
python=${PYTHON:-python3}
mkdir -p "$out"
rm -f "$out"/*.log "$out"/*.result
export PYTHONPATH="py:tests/cuda${PYTHONPATH:+:$PYTHONPATH}"

part() {  # part NAME COMMAND...: runs it into NAME.log and notes how it ended
    local name=$1 status=passed start=$SECONDS
    shift
    "$@" >"$out/$name.log" 2>&1 || status=failed
    echo "$status $((SECONDS - start))" >"$out/$name.result"
    printf '%-24s %s (%s s)\n' "$name" "$status" "$((SECONDS - start))" >&2
}

skip() { echo "skipped $2" >"$out/$1.result"; printf '%-24s skipped: %s\n' "$1" "$2" >&2; }

gpus=$("$python" -c 'from alexnet.engines.cuda.facts import devices; print(len(devices()))' 2>"$out/devices.log") || {
    tail -1 "$out/devices.log" >&2
    exit 1
}
part doctor "$python" scripts/gpu_report.py doctor
part operations env ALEXNET_GPU=1 "$python" -m pytest -q tests/cuda -k "not faults and not links and not two_processes"
part one_gpu_two_processes env ALEXNET_GPU=1 mpiexec -n 2 "$python" -m mpi4py tests/cuda/cuda_net_program.py alexnet fp32 2
part staged_link env ALEXNET_GPU=1 mpiexec -n 2 "$python" -m mpi4py tests/cuda/cuda_links_program.py staged bf16
if [ "$gpus" -ge 2 ]; then
    part nccl_link env ALEXNET_GPU=1 mpiexec -n 2 "$python" -m mpi4py tests/cuda/cuda_links_program.py real bf16
else
    skip nccl_link "one GPU; NCCL needs two"
fi
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        part "sanitizer_$tool" env ALEXNET_GPU=1 compute-sanitizer --tool "$tool" --error-exitcode 1 \
            "$python" tests/cuda/cuda_runner.py engine bf16 real
    done
else
    skip compute_sanitizer "compute-sanitizer is not on PATH"
fi
for precision in bf16 tf32 fp32; do
    part "bench_$precision" "$python" scripts/gpu_bench.py --precision "$precision"
    if "$python" -c 'import torch' 2>/dev/null; then
        part "torch_$precision" "$python" scripts/gpu_torch.py --precision "$precision"
    else
        skip "torch_$precision" "PyTorch is not installed"
    fi
done
"$python" scripts/gpu_report.py write "$out" && ! grep -q ^failed "$out"/*.result
