"""Runs the built program for a check and reads what it wrote."""

import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INPUTS = os.path.join(ROOT, "inputs")


def binary():
    path = os.environ.get("MESOLITH") or os.path.join(ROOT, "build", "release", "mesolith")
    if not os.path.isfile(path):
        sys.exit(f"{path}: no such program. Build it, or set MESOLITH to the program")
    return path


def run(stage, input_name, folder, **settings):
    """`mesolith STAGE inputs/INPUT_NAME` with results in `folder`; settings as section__key=TOML text."""
    command = [
        binary(),
        stage,
        os.path.join(INPUTS, input_name),
        "--quiet",
        "--set",
        f"run.output={json.dumps(folder)}",
    ]
    for key, value in settings.items():
        command += ["--set", f"{key.replace('__', '.')}={value}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode not in (0, 3):  # 3: a check of the model failed, which is a result
        sys.exit(f"FAIL  {' '.join(command)} gave exit code {result.returncode}\n{result.stderr}")
    return folder


def python_with(modules, variable, environment):
    """A Python that can import these: the one that a variable of the shell names, this one, or that of build/ENVIRONMENT."""
    own = os.path.join(ROOT, "build", environment, "bin", "python")
    for candidate in (os.environ.get(variable), sys.executable, own):
        if candidate and os.path.exists(candidate):
            if subprocess.run([candidate, "-c", f"import {modules}"], capture_output=True).returncode == 0:
                return candidate
    return None


def in_folder(folder, check):
    """check(folder), in a temporary folder when none is given."""
    if folder:
        return check(folder)
    with tempfile.TemporaryDirectory() as temporary:
        return check(temporary)


def run_check(check):
    """Exit with the status of check(folder): the folder of the command line, else a temporary one."""
    sys.exit(in_folder(sys.argv[1] if len(sys.argv) > 1 else None, check))


class Results:
    """The HDF5 files of a run as plain arrays: results["msm", "lags/0/counts/from"]."""

    def __init__(self, folder):
        self.files = {
            stage: h5py.File(os.path.join(folder, stage + ".h5"), "r")
            for stage in ("sites", "msm", "meso")
            if os.path.exists(os.path.join(folder, stage + ".h5"))
        }

    def __contains__(self, key):
        stage, path = key
        return stage in self.files and path in self.files[stage]

    def __getitem__(self, key):
        stage, path = key
        values = self.files[stage][path][()]
        if isinstance(values, np.ndarray) and values.dtype.kind == "O":
            return [value.decode() for value in values]
        return (
            values.astype(np.int64)
            if getattr(values, "dtype", None) is not None and values.dtype.kind in "iu"
            else values
        )

    def attr(self, stage, path, name):
        value = self.files[stage][path].attrs[name]
        return value.decode() if isinstance(value, bytes) else value

    def numbers(self, stage, path):
        return sorted((name for name in self.files[stage][path] if name.isdigit()), key=int)

    def lags(self):
        """[(member name, lag in frames, lag in ps)]"""
        return [
            (
                k,
                int(self.attr("msm", f"lags/{k}", "lag_frames")),
                float(self.attr("msm", f"lags/{k}", "lag_time")),
            )
            for k in self.numbers("msm", "lags")
        ]

    def counts(self, k):
        group = f"lags/{k}/counts/"
        columns = [self["msm", group + name] for name in ("from", "to", "R", "total")]
        return {(int(j), int(i), *map(int, R)): int(n) for j, i, R, n in zip(*columns) if n}

    def kernel(self, k):
        group = f"lags/{k}/kernel/"
        column = self["msm", group + "column"]
        return (
            np.repeat(np.arange(len(column) - 1), np.diff(column)),
            self["msm", group + "to"],
            self["msm", group + "R"],
            self["msm", group + "p"],
            self["msm", group + "stationary"],
        )
