#!/usr/bin/env bash
# Run all checks of this folder with the built program (MESOLITH, else build/release/mesolith): run.sh [--quick] [NAME...]
# --quick: all but the long ones.
# Every line says pass or FAIL; the last line counts them. Exit 1 when one failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
export MESOLITH=${MESOLITH:-$root/build/release/mesolith}
[[ -x $MESOLITH ]] || { echo "$MESOLITH: no such program. Build it, or set MESOLITH to the program" >&2; exit 2; }
case $MESOLITH in /*) ;; *) MESOLITH=$PWD/$MESOLITH ;; esac
# a Python that has numpy and h5py: the system's own first
for python in "${MESOLITH_PYTHON-}" /usr/bin/python3 python3 "$root/.venv/bin/python"; do
    [[ -n $python ]] && "$python" -c 'import numpy, h5py' >/dev/null 2>&1 && break
    python=
done
[[ -n $python ]] || { echo "no Python with numpy and h5py. Install python3-numpy and python3-h5py" >&2; exit 2; }

long=
if [[ ${1-} == --quick ]]; then
    long=' discharge paper '
    shift
fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
passed=0 failed=0
for check in "$here"/*/check.py; do
    name=$(basename "$(dirname "$check")")
    [[ $# -eq 0 || " $* " == *" $name "* ]] || continue
    [[ $long != *" $name "* ]] || continue
    printf '\n== %s\n' "$name"
    SECONDS=0
    mkdir -p "$temporary/$name"
    "$python" "$check" "$temporary/$name" 2>&1 | tee "$temporary/$name.log"
    status=${PIPESTATUS[0]}
    ok=$(grep -c '^pass  ' "$temporary/$name.log")
    bad=$(grep -c '^FAIL  ' "$temporary/$name.log")
    # a check that broke off before its own count is a failure, too
    ((status != 0 && bad == 0)) && bad=1
    echo "($SECONDS s)"
    passed=$((passed + ok)) failed=$((failed + bad))
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
