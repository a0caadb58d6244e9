# Helpers of the tests that run the program itself. Sourced; arguments: the program and the source folder.
set -u
program=$1
source_folder=$2
failures=0
# How often a run is killed: fewer times under the sanitizers, where all is slow.
n_kills=${MESOLITH_KILLS:-20}
rm -rf work && mkdir work && cd work || exit 1

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect STATUS PATTERN ARGUMENTS...: the program ends with this status and says what matches the pattern. A failure is one
# line that starts with "mesolith: ", in one piece, with nothing of C++ or HDF5 shining through.
expect() {
  local status=$1 pattern=$2
  shift 2
  "$program" "$@" >out.txt 2>err.txt
  local got=$?
  [ $got -eq "$status" ] || fail "mesolith $*: status $got instead of $status: $(tail -n 3 err.txt)"
  cat out.txt err.txt | grep -Eq -- "$pattern" || fail "mesolith $*: nothing matches '$pattern': $(tail -n 5 err.txt)"
  if [ "$status" -ne 0 ] && [ "$status" -ne 3 ]; then
    [ "$(grep -c '^mesolith: ' err.txt)" -eq 1 ] || fail "mesolith $*: not one line of complaint: $(cat err.txt)"
    if grep -Eq 'terminate|HDF5-DIAG|std::|Assertion|Sanitizer' err.txt; then fail "mesolith $*: $(cat err.txt)"; fi
  fi
}

# The Python that has h5py: that of the system, where Debian puts it.
python=/usr/bin/python3
[ -x $python ] || python=python3

finish() {
  [ $failures -eq 0 ] && echo "all as expected"
  exit $((failures > 0))
}

# A crystal of 8 Li sites (simple cubic, 3 A) with Si in the middle of each cube, and 7 Li that hop at random between them
# while all atoms rattle: crystal.POSCAR, md.xyz with $1 frames (0.1 ps apart), seed $2, in folder $3.
make_data() {
  mkdir -p "$3"
  printf 'cubic\n1.0\n3 0 0\n0 3 0\n0 0 3\nLi Si\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n' >"$3/crystal.POSCAR"
  awk -v frames="$1" -v seed="$2" 'BEGIN {
    srand(seed)
    for (i = 0; i < 7; i++) { x[i] = i % 2 * 3; y[i] = int(i / 2) % 2 * 3; z[i] = int(i / 4) * 3 }
    for (t = 0; t < frames; t++) {
      print 15
      print "Lattice=\"6 0 0 0 6 0 0 0 6\" Properties=species:S:1:pos:R:3"
      for (i = 0; i < 7; i++) {
        if (rand() < 0.05) {
          a = int(3 * rand()); d = rand() < 0.5 ? -3 : 3
          if (a == 0) x[i] += d; else if (a == 1) y[i] += d; else z[i] += d
        }
        printf "Li %.4f %.4f %.4f\n", x[i] + (rand() - 0.5) / 2, y[i] + (rand() - 0.5) / 2, z[i] + (rand() - 0.5) / 2
      }
      for (i = 0; i < 8; i++)
        printf "Si %.4f %.4f %.4f\n", i % 2 * 3 + 1.5 + (rand() - 0.5) / 5, int(i / 2) % 2 * 3 + 1.5 + (rand() - 0.5) / 5, \
          int(i / 4) * 3 + 1.5 + (rand() - 0.5) / 5
    }
  }' >"$3/md.xyz"
}

# An input for make_data's files, in folder $1.
make_input() {
  cat >"$1/in.toml" <<'TOML'
[run]
name = "cubic"
[[trajectory]]
file = "md.xyz"
frame_interval_ps = 0.1
wrapping = "unwrapped"
discard_ps = 1
[sites]
structure = "crystal.POSCAR"
[msm]
lag_times_ps = [0.5, 1, 2]
fit_window_ps = [1, 4]
bootstrap_samples = 20
[meso]
size = [20, 20, 20]
unit = "cells"
total_time_ps = 100
n_outputs = 8
[meso.walkers]
n = 1000
[meso.field]
width_nm = 1
[report]
enabled = false
TOML
}
