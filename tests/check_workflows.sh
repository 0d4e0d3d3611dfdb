#!/bin/sh
# Check GitHub's workflows: their schema, what actionlint finds where it is installed (its package
# on PyPI downloads a program, which not every machine may), and what an attacker would use.
set -eu
cd "$(dirname "$0")/.."
check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yaml
check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
if command -v actionlint >/dev/null; then
    actionlint
else
    echo "actionlint is not installed: the workflows' expressions and scripts were not checked"
fi
zizmor --offline --quiet .
