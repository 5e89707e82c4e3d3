#!/usr/bin/env bash
# From a fresh machine to a trained two-column net: installs the project into .venv, gets Fashion-MNIST, trains
# alexnet-mini in two processes on the CPU, prints the ten-crop errors and draws the paper's Figures 3 and 4.
# Run again, it reuses what is whole.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*" >&2; }

say "installing into .venv"
. scripts/environment.sh

say "Fashion-MNIST"
. scripts/fashion_mnist.sh

say "preparing: 28x28 to 256x256 shards"
alexctl prep "$FASHION_MNIST" --out data/fashion-mnist --limit train=1000,val=50,test=100

say "training alexnet-mini, one process a column"
alexctl train data/fashion-mnist --recipe alexnet-mini --device cpu --procs 2 --out runs/quickstart --resume \
    --epochs 5 --set train.schedule=epochs --set 'train.drop_epochs=[4]'

say "ten-crop errors on the test images"
alexctl eval runs/quickstart --split test --crops ten

say "pictures"
alexctl figures runs/quickstart --split test
