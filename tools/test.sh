#!/usr/bin/env bash
# Every check of the project, from nothing: release and sanitizer builds, C++ and Python tests, validation.
# The last line reads "N passed, N failed"; the exit status is 0 when nothing failed and something passed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=tools/lib.sh
source tools/lib.sh

need_packages tools/packages.txt tools/packages-test.txt
choose_python tools/requirements-test.txt numpy h5py matplotlib scipy ase pytest

jobs=$(nproc)
passed=0 failed=0
count() { # NAME PASSED FAILED
    passed=$((passed + $2)) failed=$((failed + $3))
    printf -- '-- %s: %d passed, %d failed (%d s since the start)\n' "$1" "$2" "$3" "$SECONDS"
}

# Address randomisation wider than clang 14's thread sanitizer can bear is switched off where that is allowed.
fixed_addresses=()
setarch "$(uname -m)" -R true 2>/dev/null && fixed_addresses=(setarch "$(uname -m)" -R)

build() { # PRESET [TARGET...]
    local preset=$1 log=build/$1.log
    shift
    say "building $preset"
    mkdir -p build
    if ! { "${fixed_addresses[@]}" cmake --preset "$preset" $(merge_sources "$preset") -DBUILD_TESTING=ON -DMESOLITH_WERROR=ON &&
           "${fixed_addresses[@]}" cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"} -- -k 0; } >"$log" 2>&1; then
        grep -E -A 12 'error|FAILED|CMake Error' "$log" | head -n 60
        count "build of $preset (all of it in $log)" 0 1 # what was built is tested all the same
    fi
    echo "built ($SECONDS s since the start)"
}

run_ctest() { # PRESET [ctest arguments...]
    local preset=$1 log=build/$1-tests.log
    shift
    say "tests of $preset"
    "${fixed_addresses[@]}" ctest --preset "$preset" -j "$jobs" "$@" >"$log" 2>&1 </dev/null
    sed -n '/\*\*\*Failed\|\*\*\*Timeout\|\*\*\*Not Run\|\*\*\*Exception\|The following tests/,$p' "$log" | head -n 200
    local line total=0 bad=0 skipped
    line=$(grep -E 'tests passed, [0-9]+ tests failed out of [0-9]+' "$log" | tail -n 1)
    if [[ $line =~ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
        bad=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    fi
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    if ((total == 0)); then
        tail -n 20 "$log"
        bad=1 total=1
    fi
    count "ctest $preset" $((total - bad - skipped)) "$bad"
}

run_counted() { # NAME COMMAND...: its output ends in "N passed, N failed" in this or in pytest's wording
    local name=$1 log
    log=build/$1.log
    shift
    say "$name"
    "$@" >"$log" 2>&1 </dev/null
    local status=$? line good=0 bad=0
    line=$(grep -E '[0-9]+ (passed|failed|error)' "$log" | tail -n 1)
    [[ $line =~ ([0-9]+)\ passed ]] && good=${BASH_REMATCH[1]}
    [[ $line =~ ([0-9]+)\ failed ]] && bad=${BASH_REMATCH[1]}
    [[ $line =~ ([0-9]+)\ error ]] && bad=$((bad + BASH_REMATCH[1]))
    ((status != 0 && bad == 0)) && bad=1
    ((bad > 0)) && tail -n 60 "$log"
    count "$name" "$good" "$bad"
}

build release
run_ctest release
build debug
run_ctest debug

# The thread sanitizer makes all some ten times slower: the tests that compare numbers of threads in the modules that have
# threads.
targets=(sanitizer_thread_right sanitizer_thread_wrong test_core test_sites test_msm test_meso)
build tsan "${targets[@]}"
run_ctest tsan -R '^core|^sanitizers|^(sites|msm|meso):.*thread'

export MESOLITH_PROGRAM=$PWD/build/release/mesolith
if [[ -n $(find tools -name '*_test.py' -not -path '*/.*' -print -quit) ]]; then
    run_counted pytest "$MESOLITH_PYTHON" -m pytest -q -p no:cacheprovider tools
fi
if [[ -f validation/run.sh ]]; then
    run_counted validation bash validation/run.sh --quick
fi

printf '\n%d s\n' "$SECONDS"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
