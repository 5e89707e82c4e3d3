#!/usr/bin/env bash
# Gets the Grocery Store Dataset (Klasson, Zhang and Kjellström 2019) for `alexctl prep images/grocery`: photographs of
# 81 kinds of groceries, in its own train, val and test. GROCERY names another place to clone it from.
set -euo pipefail
cd "$(dirname "$0")/.."
clone=images/.grocery

if [ ! -e images/grocery ]; then
    rm -rf "$clone"
    git clone --quiet --depth 1 "${GROCERY:-https://github.com/marcusklasson/GroceryStoreDataset}" "$clone"
    # The folders are nested, such as Fruit/Apple/Granny-Smith: those that hold photographs are the classes.
    for split in train val test; do
        mkdir -p "$clone/classes/$split"
        find "$clone/dataset/$split" -name '*.jpg' | sed 's|/[^/]*$||' | sort -u | while read -r folder; do
            mv "$folder" "$clone/classes/$split"
        done
    done
    mv "$clone/classes" images/grocery
    rm -rf "$clone"
fi
echo images/grocery
