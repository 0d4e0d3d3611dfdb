#!/bin/sh
# Check the charmcraft.yaml of each folder given against charmcraft's schema, where it is installed.
set -eu
if ! command -v charmcraft >/dev/null; then
    echo "charmcraft is not installed: no charmcraft.yaml was checked"
    exit 0
fi
for project in "$@"; do
    (cd "$project" && charmcraft --quiet expand-extensions >/dev/null)
done
