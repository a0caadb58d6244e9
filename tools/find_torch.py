#!/usr/bin/env python3
"""find_torch.py PYTHON: print the folder of the torch that this Python imports.

For the build: cmake ... -DMESOLITH_TORCH=$(tools/find_torch.py PYTHON)
"""
import os
import subprocess
import sys

ASK = "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"


def find_torch(python: str) -> str:
    """Folder of torch, with its headers and libraries. Raises SystemExit with the reason when there is none."""
    try:
        # Isolated: a folder named torch beside the caller is none.
        answer = subprocess.run([python, "-I", "-c", ASK], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{python} cannot be asked ({error}). Give the path of a Python")
    if not answer:
        sys.exit(f"{python} has no torch. Install it: {python} -m pip install torch")
    for part in ("include/torch/script.h", "lib/libtorch_cpu.so"):
        if not os.path.exists(os.path.join(answer, part)):
            sys.exit(f"the torch of {python} has no {part} ({answer}). Debian's own is found without this: "
                     "install libtorch-dev and leave MESOLITH_TORCH away")
    return answer


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    print(find_torch(sys.argv[1]))
