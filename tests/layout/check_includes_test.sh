#!/usr/bin/env bash
# check_includes.sh must pass a right tree and find each kind of wrong one.
set -euo pipefail
check=$(dirname "$(realpath "$0")")/check_includes.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/include/mesolith/{core,msm} "$tree"/src/msm
echo '#include "mesolith/core/error.hpp"' >"$tree/src/msm/a.cpp"

expect() { # STATUS WHAT
    local status=0
    bash "$check" "$tree" core md msm 2>"$tree/message" || status=$?
    if [[ $status -ne $1 ]]; then
        echo "$2: status $status instead of $1"
        cat "$tree/message"
        exit 1
    fi
}
expect 0 "a later module includes an earlier one"
for wrong in '#include "mesolith/msm/kernel.hpp"' '#  include <mesolith/msm/kernel.hpp>' \
    '#include "mesolith/nowhere/x.hpp"' '#include <Eigen/Dense>'; do
    echo "$wrong" >"$tree/include/mesolith/core/b.hpp"
    expect 1 "$wrong in core"
done
