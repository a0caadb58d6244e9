#!/usr/bin/env bash
# check_text.sh ROOT
# Fails when a tracked text file holds a path of one machine, a tab where blanks belong, blanks at the end of a line,
# no newline at its end, or a test whose name ctest cannot carry.
set -euo pipefail
cd "$1"

if ! git ls-files -z >/dev/null 2>&1; then
    echo "skipped: not a git checkout"
    exit 77
fi
wrong=0
report() { # WHAT LINES
    [[ -z $2 ]] && return
    printf '%s:\n%s\n' "$1" "$2" >&2
    wrong=1
}
# Data samples keep the form in which their programs wrote them.
tracked() { git ls-files -z -- "$@" ':!tests/data' ':!*/data/*' ':!*/reference/*'; }
search() { # PATTERN [pathspec...]; missing files are being removed, no reason to fail
    local pattern=$1
    shift
    tracked "$@" | xargs -0 -r grep -nIsP -e "$pattern" || true
}

ends_without_newline() {
    tracked "$@" | while IFS= read -r -d '' file; do
        [[ ! -s $file || -z $(tail -c 1 "$file") ]] || echo "$file"
    done
}

text=('*.cpp' '*.hpp' '*.py' '*.toml' '*.cmake' '*CMakeLists.txt' '*.md' '*.sh')
# The pattern is written in pieces, so that this file does not find itself.
report "a path of one machine" "$(search '/wor''k/|/roo''t/|/tmp/b''-|/home/[a-z]')"
report "a tab" "$(search '\t' "${text[@]}" '*.json')"
report "blanks at the end of a line" "$(search '[ \t]+$' "${text[@]}")"
report "no newline at the end" "$(ends_without_newline "${text[@]}")"
report "a test name that ctest cannot hand over (a bracket or semicolon in it, or a dash at its start)" \
    "$(search '^\s*TEST_CASE\("(-|[^"]*[][;])' 'tests/*.cpp')"
exit $wrong
