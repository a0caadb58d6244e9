#!/usr/bin/env bash
# check_text.sh must pass a clean tree and find each kind of unclean text.
set -euo pipefail
check=$(dirname "$(realpath "$0")")/check_text.sh
command -v git >/dev/null || { echo "skipped: no git"; exit 77; }
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git -C "$tree" init -q
mkdir "$tree/tests"

expect() { # STATUS FILE TEXT (printf format)
    # shellcheck disable=SC2059
    printf "$3" >"$tree/$2"
    git -C "$tree" add "$2"
    local status=0
    bash "$check" "$tree" >/dev/null 2>&1 || status=$?
    if [[ $status -ne $1 ]]; then
        echo "status $status instead of $1 for $2 with: $3"
        exit 1
    fi
    git -C "$tree" rm -q --cached "$2"
    rm "$tree/$2"
}
expect 0 a.cpp 'int a;\n'
expect 0 Makefile 'all:\n\techo\n'
expect 1 a.cpp '// see /wor''k/notes\n' # in pieces: this file is checked too
expect 1 a.cpp '\tint a;\n'
expect 1 a.py 'a = 1 \n'
expect 1 a.md 'text'
expect 1 tests/a.cpp 'TEST_CASE("of [0, 4)", "[a]") {}\n'
expect 1 tests/a.cpp 'TEST_CASE("--set wins", "[a]") {}\n'
expect 0 tests/a.cpp 'TEST_CASE("of (0, 4)", "[a]") {}\n'
