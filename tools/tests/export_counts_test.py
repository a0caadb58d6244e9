import export_counts
import h5py
import numpy as np
import pytest

TEXT = h5py.string_dtype("utf-8")
ORIGIN, DESTINATION = [0, 0, 0, 1, 1], [0, 1, 1, 0, 0]
CELL = [[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0]]
TOTAL = [90, 7, 2, 0, 5]


def write(path, pool=None):
    with h5py.File(path, "w") as file:
        file.attrs["chosen_lag"] = 1
        file["basis/positions"] = np.array([[0.0, 0, 0], [1, 2, 3]])
        file["basis/cell"] = np.diag([4.0, 5, 6])
        file.create_dataset("basis/name", data=["Li1.1", "Li1.2"], dtype=TEXT)
        for k, factor in enumerate((10, 1)):
            lag = file.create_group(f"lags/{k}")
            lag.attrs.update({"lag_time": 5.0 * (k + 1), "lag_frames": 100 * (k + 1)})
            counts = lag.create_group("counts")
            counts["from"], counts["to"] = np.array(ORIGIN, "i4"), np.array(DESTINATION, "i4")
            counts["R"], counts["total"] = np.array(CELL, "i4"), factor * np.array(TOTAL)
            if pool is not None:
                counts["pool"] = np.array(pool, "i4")


def test_rows_are_origins_and_cells_are_summed(tmp_path):
    write(tmp_path / "msm.h5")
    out = tmp_path / "counts.npz"
    export_counts.main([str(tmp_path), "--lag", "10", "--out", str(out)])
    with np.load(out) as file:
        assert file["count_matrix"].tolist() == [[90, 9], [5, 0]]
        assert file["count_matrix"].dtype.kind == "i"
        assert np.array_equal(file["pooled_count_matrix"], file["count_matrix"])
        assert file["origin"].tolist() == ORIGIN and file["destination"].tolist() == DESTINATION
        assert file["cell"].tolist() == CELL and file["count"].tolist() == TOTAL
        assert file["lag_time_ps"] == 10 and file["lag_frames"] == 200
        assert file["site_name"].tolist() == ["Li1.1", "Li1.2"]
        assert file["cell_vectors"].tolist() == np.diag([4, 5, 6]).tolist()


def test_transitions_of_one_class_get_their_mean(tmp_path):
    write(tmp_path / "msm.h5", pool=[0, 1, 2, 2, 1])
    arrays = export_counts.read_counts(tmp_path / "msm.h5")
    assert arrays["count"].tolist() == TOTAL
    assert arrays["pooled_count"].tolist() == [90, 6, 1, 1, 6]
    assert arrays["pooled_count_matrix"].tolist() == [[90, 7], [7, 0]]


def test_the_chosen_lag_is_taken_unless_another_is_asked_for(tmp_path):
    write(tmp_path / "msm.h5")
    assert export_counts.read_counts(tmp_path / "msm.h5")["lag_time_ps"] == 10
    assert export_counts.read_counts(tmp_path / "msm.h5", 5)["count"].sum() == 10 * sum(TOTAL)


@pytest.mark.parametrize("arguments, words", [(["--lag", "7"], "There are 5, 10 ps"), ([], "no transition counts")])
def test_a_lag_that_was_not_counted_and_a_foreign_file_are_refused(tmp_path, arguments, words):
    write(tmp_path / "msm.h5")
    if not arguments:
        with h5py.File(tmp_path / "msm.h5", "a") as file:
            del file["lags"]
    with pytest.raises(SystemExit) as stopped:
        export_counts.main([str(tmp_path / "msm.h5"), "--out", str(tmp_path / "c.npz"), *arguments])
    assert words in str(stopped.value)
    assert not (tmp_path / "c.npz").exists()
