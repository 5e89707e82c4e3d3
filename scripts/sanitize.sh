#!/usr/bin/env bash
# The engine's tests under the address and undefined-behaviour sanitizers: the first finding ends the run with an
# error. Builds into build/sanitize for the Python on PATH, which needs pytest, NumPy and what the build needs
# (cmake, ninja, nanobind, scipy-openblas32). Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$PWD/build/sanitize
compiler=${CXX:-c++}
python=$(command -v python || command -v python3)
for tool in cmake ninja; do
    command -v "$tool" >/dev/null || {
        echo "sanitize.sh: $tool is not on PATH; pip install cmake ninja nanobind scipy-openblas32" >&2
        exit 1
    }
done

quietly() { "$@" >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }; }

# Python itself is not instrumented: the sanitizers must come first, and the C++ library whose throw they watch.
libraries=
for library in libasan.so libubsan.so libstdc++.so; do
    libraries+=" $("$compiler" -print-file-name="$library")"
done
sanitized_python() {
    ALEXNET_ENGINE_DIR=$build PYTHONPATH=$build LD_PRELOAD=$libraries \
        ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 "$python" "$@"
}

mkdir -p build
quietly cmake -S . -B "$build" -G Ninja -DALEXNET_SANITIZE=ON -DCMAKE_CXX_COMPILER="$compiler" \
    -DPython_EXECUTABLE="$python"
quietly cmake --build "$build" --target _engine_base
case $(sanitized_python -c 'import _engine_base; print(_engine_base.best_isa())') in
    avx2) quietly cmake --build "$build" --target _engine_avx2 ;;
    avx512) quietly cmake --build "$build" --target _engine_avx2 _engine_avx512 ;;
esac
# Findings are written to the process's own standard error, which pytest must not hold back. What is left out is slow for
# the plain loops beside it: it asks for exact sums, not for other ways through memory.
sanitized_python -m pytest -p no:cacheprovider --capture=sys tests/engine \
    -k "not long_sums and not layer_of_the_papers_net" "$@"
