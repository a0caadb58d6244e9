import json
import math
import os
import subprocess

import mesolith_diffusivity
import numpy as np
import pytest

HEAD = "stoichiometry,temperature [K],diffusivity [m2.s-1],standard error of log10 D\n"
FACTS = "# kind: chemical (D~)\n# frame: current volume\n# valid_stoichiometry: 0.2 0.8\n# valid_T: 280 340\n"
S, T = (0.2, 0.5, 0.8), (280.0, 300.0, 340.0)


def law(s, T):
    """log10 linear in s and in T: what the table interpolates exactly."""
    return 10 ** (-14 + 0.7 * s + 0.01 * (T - 300) + 0.02 * s * (T - 300))


def table(path, facts=FACTS, s=S, T=T, head=HEAD, value=law):
    rows = "".join(f"{a:.17g},{b:.17g},{value(a, b):.17g},0.03\n" for a in s for b in T)
    path.write_text(head + facts + rows)
    return str(path)


def test_between_points_log10_is_bilinear_and_ends_are_kept(tmp_path):
    D = mesolith_diffusivity.load(table(tmp_path / "d.csv"))
    assert D.kind == "chemical" and D.valid_T == (280, 340) and D.two_phase == []
    s, temperature = np.meshgrid(np.linspace(0.2, 0.8, 13), np.linspace(280, 340, 13))
    assert np.allclose(D(s, temperature), law(s, temperature), rtol=1e-12, atol=0)
    assert D(0.5, 300.0) == pytest.approx(law(0.5, 300), rel=1e-14)
    with pytest.warns(UserWarning, match="stoichiometry 0.05 to 0.05: the data of D reach from 0.2 to 0.8"):
        assert D(0.05, 300.0) == pytest.approx(law(0.2, 300), rel=1e-12)
    with pytest.warns(UserWarning, match="temperature 400 to 400"):
        assert D(0.5, 400.0) == pytest.approx(law(0.5, 340), rel=1e-12)


def test_axes_of_one_value_hold_everywhere(tmp_path):
    D = mesolith_diffusivity.load(table(tmp_path / "d.csv", T=(300.0,)))
    assert D(0.35, 310.0) == pytest.approx(law(0.35, 300), rel=1e-12)
    D = mesolith_diffusivity.load(table(tmp_path / "d.csv", s=(0.5,)))
    assert D(0.35, 310.0) == pytest.approx(
        math.sqrt(math.sqrt(law(0.5, 300) ** 3 * law(0.5, 340))), rel=1e-12
    )


def test_two_phase_ranges_are_warned_of(tmp_path):
    D = mesolith_diffusivity.load(table(tmp_path / "d.csv", facts=FACTS + "# two_phase: 0.55 0.75\n"))
    assert D.two_phase == [(0.55, 0.75)]
    with pytest.warns(UserWarning, match="0.55 to 0.75 is a two-phase range"):
        D(0.6, 300.0)


def test_parameters_take_it_and_temperatures_are_checked(tmp_path):
    class Parameters(dict):
        def update(self, values, check_already_exists=True):
            super().update(values)

    D = mesolith_diffusivity.load(table(tmp_path / "d.csv"))
    name = "Negative particle diffusivity [m2.s-1]"
    with pytest.warns(UserWarning, match="temperature 250 to 250"):
        assert D.put_into(Parameters({"Ambient temperature [K]": 250.0}))[name] is D
    tracer = mesolith_diffusivity.load(table(tmp_path / "d.csv", facts=FACTS.replace("chemical", "tracer")))
    with pytest.raises(ValueError, match="tracer diffusivity, PyBaMM wants the chemical"):
        tracer.put_into(Parameters())


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(head="sto,T,D\n"), ":1: expected 'stoichiometry,temperature"),
        (dict(facts=""), "no line '# kind"),
        (dict(value=lambda s, T: -1.0), "not > 0"),
        (dict(s=(0.5, 0.2)), "no regular grid"),
        (dict(s=()), "no regular grid"),
        (dict(facts=FACTS + "0.3,x,1e-14\n"), ":6: expected numbers"),
        (dict(facts=FACTS + "0.3,300\n"), ":6: expected numbers"),
        (dict(facts=FACTS + "0.1,300,1e-14\n"), "no regular grid"),
    ],
)
def test_bad_tables_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        mesolith_diffusivity.load(table(tmp_path / "d.csv", **change))


def test_rows_with_the_temperature_slowest_are_refused(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(HEAD + FACTS + "".join(f"{a},{b},1e-14,0\n" for b in T for a in S))
    with pytest.raises(ValueError, match="no regular grid with the stoichiometry slowest"):
        mesolith_diffusivity.load(str(path))


@pytest.mark.skipif("MESOLITH_PROGRAM" not in os.environ, reason="needs the program")
def test_what_the_program_exports_is_read(tmp_path):
    program = os.environ["MESOLITH_PROGRAM"]
    rows = "".join(f"{a},{b},{law(a, b):.17g},0.05\n" for a in S for b in T)
    (tmp_path / "in.csv").write_text("stoichiometry,T [K],D [m^2/s],relative error\n" + rows)

    def run(*arguments):
        subprocess.run([program, *arguments], cwd=tmp_path, check=True, capture_output=True)

    run("record", "in.csv", "--kind", "tracer", "--x-max", "3.75", "--out", "r.json")
    run("export", "r.json", "--to", "pybamm", "--haven", "0.5", "--theta", "8", "--out", "d.csv")
    D = mesolith_diffusivity.load(str(tmp_path / "d.csv"))
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["kind"] == "tracer" and len(record["points"]) == 9
    s, temperature = np.meshgrid(np.linspace(0.2, 0.8, 5), np.linspace(280, 340, 5))
    assert np.allclose(D(s, temperature), 16 * law(s, temperature), rtol=1e-12, atol=0)
    assert D.kind == "chemical" and D.facts["Haven ratio"] == ["0.5 (given number)"]
