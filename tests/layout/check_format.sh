#!/usr/bin/env bash
# check_format.sh ROOT: every tracked C++ file is as clang-format 14 writes it (other versions differ in details).
set -euo pipefail
cd "$1"
command -v clang-format-14 >/dev/null || { echo "skipped: no clang-format-14"; exit 77; }
git ls-files >/dev/null 2>&1 || { echo "skipped: not a git checkout"; exit 77; }
mapfile -t files < <(git ls-files -- '*.cpp' '*.hpp' | while IFS= read -r file; do [[ -e $file ]] && echo "$file"; done)
clang-format-14 --dry-run -Werror --ferror-limit=1 "${files[@]}"
