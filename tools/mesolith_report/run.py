"""The result folder of a run as Python objects. Nothing here draws or judges."""

import json
import os

import h5py
import numpy as np


class ReportError(Exception):
    """The folder cannot be read; the message is one line for the user."""


class Missing(ReportError):
    """A part that this run did not produce; the report leaves it out and says so."""


def _decoded(value):
    if isinstance(value, h5py.Empty):
        return []
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [_decoded(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    return value


class ResultFile:
    """One HDF5 file. `file["a/b"]` reads a dataset whole, `file.attr("a", "name")` an attribute."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            reason = str(error).strip().splitlines()[0]
            raise ReportError(
                f"{path}: not a complete HDF5 file ({reason}). Run the stage that writes it again"
            ) from None

    def __contains__(self, path):
        return path in self._file

    def __getitem__(self, path):
        try:
            item = self._file[path]
        except KeyError:
            raise Missing(f"{self.name} holds no {path}") from None
        if not isinstance(item, h5py.Dataset):
            raise ReportError(
                f"{self.path}: {path} is a group where a dataset is expected. Was the file edited?"
            )
        try:
            return _decoded(item[()])
        except OSError as error:
            reason = str(error).strip().splitlines()[0]
            raise ReportError(
                f"{self.path}: {path} cannot be read ({reason}). Run the stage that writes it again"
            ) from None

    def attr(self, path, name, default=None):
        """Attribute of an object; `default` when either is not there, Missing when no default is given."""
        try:
            return _decoded(self._file[path].attrs[name])
        except KeyError:
            if default is None:
                raise Missing(f"{self.name} holds no attribute {name} of {path}") from None
            return default

    def attributes(self, path="/"):
        return {name: _decoded(value) for name, value in self._file[path].attrs.items()}

    def members(self, path):
        """Numbered members of a group: ["0", "1", ...]; empty when the group is not there."""
        if path not in self._file:
            return []
        return sorted((name for name in self._file[path] if name.isdigit()), key=int)

    def close(self):
        self._file.close()


class Lag:
    """What msm.h5 knows at one lag time."""

    def __init__(self, file, index):
        self._file, self.index = file, int(index)
        self.path = f"lags/{index}"
        self.lag_time = float(file.attr(self.path, "lag_time"))  # [ps]
        self.lag_frames = int(file.attr(self.path, "lag_frames", 0))

    def __getitem__(self, path):
        return self._file[f"{self.path}/{path}"]

    def attr(self, path, name, default=None):
        return self._file.attr(f"{self.path}/{path}".rstrip("/"), name, default)

    @property
    def D(self):
        """Diffusion tensor [A^2/ps], 3 x 3."""
        return self["diffusivity/D"]

    @property
    def error(self):
        """Standard error of each component of D [A^2/ps], 3 x 3."""
        return self["diffusivity/error"]

    @property
    def hops(self):
        """Independent hops behind D_xx, D_yy, D_zz."""
        return self["diffusivity/hops"]

    @property
    def counts(self):
        """Transition counts as (origin, destination, R, count): int arrays [n], [n], [n, 3], [n]."""
        return tuple(self[f"counts/{name}"] for name in ("from", "to", "R", "total"))

    @property
    def n_sites(self):
        return len(self["kernel/stationary"])

    def _dense(self, origin, destination, values, convention):
        if convention not in ("column", "row"):
            raise ValueError(f'convention is "column" or "row", got {convention!r}')
        matrix = np.zeros((self.n_sites, self.n_sites), dtype=values.dtype)
        np.add.at(matrix, (destination, origin), values)
        return matrix if convention == "column" else matrix.T.copy()

    def count_matrix(self, convention="column"):
        """Counts summed over R, [n_sites, n_sites]. column: [destination, origin] as everywhere in mesolith;
        row: [origin, destination] as in deeptime and PyEMMA."""
        origin, destination, _, count = self.counts
        return self._dense(origin, destination, count, convention)

    def kernel(self):
        """M(R) as (origin, destination, R, p), one line per entry."""
        column = np.asarray(self["kernel/column"]).astype(np.int64)
        origin = np.repeat(np.arange(len(column) - 1), np.diff(column))
        return origin, self["kernel/to"], self["kernel/R"], self["kernel/p"]

    def transition_matrix(self, convention="column"):
        """P = sum over R of M(R), conventions as in count_matrix."""
        origin, destination, _, p = self.kernel()
        return self._dense(origin, destination, p, convention)


class Run:
    """A result folder. `md`, `sites`, `msm`, `meso` are ResultFile or None; `summary` is a dict."""

    def __init__(self, folder):
        self.folder = folder
        if not os.path.isdir(folder):
            raise ReportError(
                f"{folder}: no such folder (expected the output folder of a run). Give the folder that"
                " `mesolith run` wrote"
            )
        self.md, self.sites, self.msm, self.meso = (
            self._open(stage) for stage in ("md", "sites", "msm", "meso")
        )
        self.summary = self._read_summary()
        if self.sites is None and self.msm is None and self.meso is None:
            raise ReportError(
                f"{folder}: no results (neither sites.h5 nor msm.h5 nor meso.h5). Run mesolith first"
            )

    def _open(self, stage):
        path = os.path.join(self.folder, stage + ".h5")
        return ResultFile(path) if os.path.exists(path) else None

    def _read_summary(self):
        path = os.path.join(self.folder, "summary.json")
        if not os.path.exists(path):
            return {}
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise ReportError(f"{path}: not valid JSON ({error}). Run mesolith again") from None

    def need(self, stage):
        """The file of a stage, or Missing with the sentence for the report."""
        file = getattr(self, stage)
        if file is None:
            raise Missing(f"the stage {stage} has not been run ({stage}.h5 is not there)")
        if self._is_stale(stage):
            raise Missing(f"{stage}.h5 was made from an older result; run the stage {stage} again")
        return file

    def _is_stale(self, stage):
        """Whether a stage before this one has been run again since."""
        order = ("sites", "msm", "meso")
        for before, after in zip(order, order[1 : order.index(stage) + 1]):
            earlier, later = getattr(self, before), getattr(self, after)
            if earlier is not None and later is not None:
                made_from = later.attr("/", "previous", "")
                if made_from and made_from != earlier.attr("/", "fingerprint", made_from):
                    return True
        return False

    @property
    def files(self):
        return [file for file in (self.md, self.sites, self.msm, self.meso) if file is not None]

    @property
    def lags(self):
        msm = self.need("msm")
        return [Lag(msm, index) for index in msm.members("lags")]

    @property
    def chosen(self):
        """The lag whose kernel the run uses."""
        lags = self.lags
        index = int(self.need("msm").attr("/", "chosen_lag"))
        if not 0 <= index < len(lags):
            raise ReportError(
                f"{self.msm.path}: chosen_lag = {index}, but there are {len(lags)} lags. Run the stage msm"
                " again"
            )
        return lags[index]

    @property
    def name(self):
        return self.summary.get("name") or os.path.basename(os.path.abspath(self.folder))

    @property
    def checks(self):
        """Verdicts as dicts: name, verdict, value, warn_above, fail_above, text."""
        if self.summary.get("checks"):
            return self.summary["checks"]
        if self.msm is None:
            return []
        return [self.msm.attributes(f"checks/{index}") for index in self.msm.members("checks")]

    @property
    def warnings(self):
        """Warnings of all stages, each once, with the stage that gave it."""
        found = []
        for file in self.files:
            listed = file.attr("/", "warnings", [])
            for text in [listed] if isinstance(listed, str) else listed:
                if text and text not in (known for _, known in found):
                    found.append((file.name, text))
        return found

    def close(self):
        for file in self.files:
            file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def load(folder):
    """Open the result folder of a run.

    @raises ReportError  no folder, no results, a truncated file
    """
    return Run(os.fspath(folder))
