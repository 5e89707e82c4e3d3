#!/usr/bin/env bash
# Shares Caltech-101 out as its results are published, for `alexctl prep images/caltech101`: of each folder of $1, the
# unpacked 101_ObjectCategories, 30 photographs to learn from, drawn once and for all, and the rest to be classified.
set -euo pipefail
export LC_ALL=C
source=${1:?the folder 101_ObjectCategories}
out=$(dirname "$0")/../images/caltech101

for folder in "$source"/*/; do
    class=$(basename "$folder")
    mkdir -p "$out/train/$class" "$out/val/$class"
    number=0
    find "$folder" -name '*.jpg' | sort | shuf --random-source=<(yes) | while read -r photograph; do
        number=$((number + 1))
        cp "$photograph" "$out/$([ "$number" -le 30 ] && echo train || echo val)/$class"
    done
done
echo images/caltech101
