#!/usr/bin/env bash
# Everything that is checked: lint, types, format, the tests, the engine's tests under the sanitizers, and whether the
# tests notice a few planted faults.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "installing into .venv"
. scripts/environment.sh '[test]'
pip install --quiet --disable-pip-version-check -r scripts/cuda-toolchain.txt

say "lint, format, types"
ruff check .
ruff format --check .
mypy
python scripts/mutants.py --check
git ls-files '*.cpp' '*.hpp' '*.h' '*.cu' '*.cuh' | xargs clang-format --dry-run --Werror

say "sanitizers: the engine's tests with ASan and UBSan"
bash scripts/sanitize.sh

say "tests, a file in one of two processes"
pytest -n 2 --dist loadfile "$@"

say "planted faults: a sample, drawn by the commit"
# 2: tests were killed or ran out of time, as is said there; that is no verdict, and the list itself was checked above.
python scripts/mutants.py --minutes 3 --draw "$(git rev-parse HEAD)" || [ $? = 2 ]
