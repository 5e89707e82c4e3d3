#!/usr/bin/env bash
# Shares VOC2007 out as its results are published, for `alexctl prep images/voc2007`: of $1, the unpacked VOCdevkit/VOC2007
# with its test images, those of trainval to learn from, those of test to be searched. Each lies in the folder of the first
# class that it shows; all that it shows is in ImageSets/Main, for `alexctl baseline --labels`.
set -euo pipefail
export LC_ALL=C
source=${1:?the folder VOCdevkit/VOC2007}
out=$(dirname "$0")/../images/voc2007

share_out() { # $1: a part of VOC2007, $2: the split that it becomes
    awk '$2 != -1 && !seen[$1]++ { class = FILENAME; sub(/.*\//, "", class); sub(/_[a-z]+\.txt$/, "", class); print class, $1 }' \
        "$source"/ImageSets/Main/*_"$1".txt | while read -r class image; do
        mkdir -p "$out/$2/$class"
        cp "$source/JPEGImages/$image.jpg" "$out/$2/$class"
    done
}

share_out trainval train
share_out test val
echo images/voc2007
