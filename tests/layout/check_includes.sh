#!/usr/bin/env bash
# check_includes.sh ROOT MODULE...    modules in the order of the data flow
# Fails when a file of a module includes a header of a later module, or of none, or when a public header pulls in
# all of Eigen (but the one that is there to keep its solvers from being compiled again).
set -euo pipefail
cd "$1"
shift

declare -A rank
n=0
for module in "$@"; do rank[$module]=$((n++)); done

wrong=0 seen=0
complain() { echo "$1" >&2; wrong=$((wrong + 1)); }
while IFS=: read -r file line text; do
    seen=$((seen + 1))
    own=${file#include/mesolith/} own=${own#src/} own=${own%%/*}
    used=${text#*mesolith/} used=${used%%/*}
    if [[ -z ${rank[$own]-} ]]; then
        complain "$file:$line: $own is no module (known: $*)"
    elif [[ -z ${rank[$used]-} ]]; then
        complain "$file:$line: $used is no module (known: $*)"
    elif ((rank[$used] > rank[$own])); then
        complain "$file:$line: $own includes $used, which comes later. Move what is needed down to $own or before it"
    fi
done < <(grep -rnE --include='*.hpp' --include='*.cpp' '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]mesolith/' include src)

while IFS=: read -r file line _; do
    complain "$file:$line: a public header includes all of Eigen. Include <Eigen/Core> or <Eigen/SparseCore>"
done < <(grep -rnE '#include <Eigen/(Dense|Sparse|Eigenvalues|LU|SVD|QR)>' include | grep -v '^include/mesolith/crystal/eigen_solvers.hpp:' || true)

((seen > 0)) || complain "no include was found (wrong folder: $PWD)"
exit $((wrong > 0))
