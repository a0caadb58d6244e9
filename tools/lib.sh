# shellcheck shell=bash
# Shared by quickstart.sh and test.sh; sourced, with the repository root as working folder.

say() { printf '\n== %s\n' "$*"; }
die() { printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# need_packages LIST...: install the Debian packages named in the files, unless all are there.
# Python packages are wanted, not needed: choose_python finds another way.
need_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian: its packages are not checked. cmake will name what is missing."
        return
    fi
    local names missing=() needed=() name
    mapfile -t names < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$@")
    for name in "${names[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] && continue
        missing+=("$name")
        [[ $name == python3-* ]] || needed+=("$name")
    done
    ((${#missing[@]} > 0)) || return 0

    local as_root=()
    if [[ $EUID -ne 0 ]]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }; }; then
            as_root=(sudo)
        elif ((${#needed[@]} > 0)); then
            die "packages are missing (and this user may not install them). As root run:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
        else
            return 0
        fi
    fi
    say "installing ${#missing[@]} Debian packages"
    local log
    log=$(mktemp)
    # shellcheck disable=SC2024 # the log belongs to the user
    if ! {
        "${as_root[@]}" apt-get update &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install --yes --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "apt-get failed (see above, all of it in $log). Install by hand: ${missing[*]}"
    fi
    rm -f "$log"
}

# choose_python REQUIREMENTS MODULE...: set and export MESOLITH_PYTHON to a Python that imports all the modules.
# The system's own comes first: whatever else stands first in PATH has seldom got h5py.
choose_python() {
    local requirements=$1 candidate
    shift
    local imports
    imports="import $(IFS=,; echo "$*")"
    for candidate in "${MESOLITH_PYTHON-}" /usr/bin/python3 python3 .venv/bin/python; do
        if [[ -n $candidate ]] && "$candidate" -c "$imports" >/dev/null 2>&1; then
            MESOLITH_PYTHON=$(command -v "$candidate")
            [[ $MESOLITH_PYTHON == /* ]] || MESOLITH_PYTHON=$PWD/$MESOLITH_PYTHON
            export MESOLITH_PYTHON
            return
        fi
    done
    say "Python environment in .venv"
    for candidate in /usr/bin/python3 python3; do
        command -v "$candidate" >/dev/null && "$candidate" -m venv .venv >/dev/null 2>&1 &&
            .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" &&
            .venv/bin/python -c "$imports" && export MESOLITH_PYTHON=$PWD/.venv/bin/python && return
    done
    die "no Python with the modules $* (nor could .venv be made). As root run:
    apt-get install --no-install-recommends python3 $(printf 'python3-%s ' "$@")"
}

# merge_sources PRESET: print what makes cmake compile several sources as one, which halves the time of a first build; in a
# build folder that is there already its own choice stays.
merge_sources() {
    [[ -f build/$1/CMakeCache.txt ]] || echo -DCMAKE_UNITY_BUILD=ON
}
