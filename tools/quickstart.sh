#!/usr/bin/env bash
# From a fresh clone to a diffusivity: installs what is missing, builds the program, runs inputs/li15si4_800K_md.toml,
# from molecular dynamics to the report.
#   tools/quickstart.sh [INPUT.toml]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
source tools/lib.sh

input=${1-inputs/li15si4_800K_md.toml}
[[ -f $input ]] || die "$input does not exist. The inputs that come with mesolith: $(echo inputs/*.toml)"

need_packages tools/packages.txt
choose_python tools/requirements.txt numpy h5py matplotlib

say "building build/release/mesolith"
log=build/quickstart.log
mkdir -p build
# A build folder that has the tests already keeps them.
tests=OFF
grep -qs '^BUILD_TESTING:BOOL=ON' build/release/CMakeCache.txt && tests=ON
if ! { cmake --preset release $(merge_sources release) -DBUILD_TESTING=$tests -DMESOLITH_BENCH=$tests &&
       cmake --build build/release --target mesolith_cli -j "$(nproc)"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "the build failed (see above, all of it in $log)"
fi
build/release/mesolith --version

say "mesolith run $input"
exec build/release/mesolith run "$input"
