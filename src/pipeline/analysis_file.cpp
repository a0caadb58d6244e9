#include "mesolith/pipeline/analysis_file.hpp"

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/io/json.hpp"

#include "columns.hpp"

namespace mesolith {
namespace {

Vec3 read_vec3(const Hdf5Group& group, const std::string& path) {
    const auto v = group.read<double>(path);
    if (v.size() != 3)
        throw FileError(fmt::format("{}: '{}' is not of length 3. Run the stage that writes it again",
                                    group.file_name(), path));
    return {v[0], v[1], v[2]};
}

void write_blocks(Hdf5Group& root, const MarkovAnalysis& a) {
    Hdf5Group g = root.create_group("blocks");
    g.set_attribute("block_ps", a.blocks.length);
    g.set_attribute("correlation_time_ps", a.blocks.correlation_time);
    g.set_attribute("reason", a.blocks.reason);
    const std::vector<TimeBlock>& blocks = a.blocks.blocks;
    g.write("trajectory",
            column_of(blocks, [](const TimeBlock& b) { return static_cast<std::int64_t>(b.trajectory); }));
    g.write("begin", column_of(blocks, [](const TimeBlock& b) { return b.begin; }), {},
            about("", "first frame"));
    g.write("end", column_of(blocks, [](const TimeBlock& b) { return b.end; }), {},
            about("", "frame behind the last"));
}

void write_classes(Hdf5Group& lag, const LagResult& r) {
    const auto& classes = r.classes.classes;
    const auto& transport = r.transport.classes;
    Hdf5Group g = lag.create_group("classes");
    g.write(
        "size",
        column_of(classes, [](const ClosedClass& c) { return static_cast<std::int64_t>(c.sites.size()); }),
        {}, about("", "sites of each closed class"));
    g.write("weight", column_of(classes, [](const ClosedClass& c) { return c.weight; }), {},
            about("", "share of the ions"));
    std::vector<double> D;
    std::vector<Vec3> drift;
    for (const ClassTransport& t : transport) {
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b) D.push_back(t.diffusivity(a, b));
        drift.push_back(t.drift);
    }
    g.write("D", D, {transport.size(), 3, 3}, about(per_time, "diffusion tensor of the class"));
    g.write("drift", drift, about("angstrom/ps", "mean velocity"));
    g.write("sites", r.classes.class_of, {}, about("", "class of each basis site, -1 transient"));
}

void write_spectrum(Hdf5Group& lag, const std::vector<Mode>& modes) {
    Hdf5Group g = lag.create_group("spectrum");
    g.write("eigenvalue_re", column_of(modes, [](const Mode& m) { return m.eigenvalue.real(); }));
    g.write("eigenvalue_im", column_of(modes, [](const Mode& m) { return m.eigenvalue.imag(); }));
    g.write("kappa", column_of(modes, [](const Mode& m) { return m.kappa; }),
            about("", "wave vector in reciprocal vectors of the folded cell"));
}

void write_lag(Hdf5Group& lag, const LagResult& r) {
    std::int64_t windows = 0;
    for (const std::int64_t n : r.counts.total) windows += n;
    lag.set_attribute("lag_frames", r.counts.lag_frames);
    lag.set_attribute("lag_time", r.kernel.lag_time);
    lag.set_attribute("skipped_windows", r.counts.skipped_windows);
    lag.set_attribute("windows", windows);
    Hdf5Group counts = lag.create_group("counts");
    write(counts, r.counts);
    Hdf5Group kernel = lag.create_group("kernel");
    write(kernel, r.kernel);

    Hdf5Group d = lag.create_group("diffusivity");
    d.write_matrix("D", r.transport.diffusivity, about(per_time, "diffusion tensor of a tagged ion"));
    d.write_matrix("error", r.error, about(per_time, "standard error, bootstrap over time blocks"));
    d.write_matrix("delta_error", r.delta.error, about(per_time, "the same to first order, not resampled"));
    d.write_matrix("uncorrelated", r.transport.uncorrelated, about(per_time, "as if steps were independent"));
    d.write_matrix("correlation", r.transport.correlation, about(per_time, "D = uncorrelated + correlation"));
    d.write("samples", r.samples, about(per_time, "resampled D_xx, D_yy, D_zz"));
    write_vec3(d, "drift", r.transport.drift, "angstrom/ps", "mean velocity");
    write_vec3(d, "hops", r.hops, "", "independent hops behind D_xx, D_yy, D_zz");
    write_vec3(d, "model_slope", r.model_slope, per_time,
               "slope / 2 of the model's MSD between the times of window_ps");
    write_vec3(d, "msd_slope", r.msd_slope, per_time, "the same of the trajectory");
    d.set_attribute("window_ps", std::vector<double>{r.window_begin, r.window_end});
    d.set_attribute("z_msd", r.z_msd);
    d.set_attribute("agrees", r.agrees ? 1 : 0);
    write_classes(lag, r);
    write_spectrum(lag, r.modes);
}

/// How the lag was chosen.
void write_selection(Hdf5Group& root, const MarkovAnalysis& a) {
    const std::vector<PlateauTest>& tests = a.selection.tests;
    Hdf5Group g = root.create_group("lag_selection");
    g.set_attribute("plateau", a.selection.plateau ? 1 : 0);
    g.set_attribute("reason", a.selection.reason);
    g.write_strings("quantities", a.quantities);
    const auto flag = [&](const char* path, bool PlateauTest::*member, const char* text) {
        g.write(path, column_of(tests, [&](const PlateauTest& t) { return t.*member ? 1 : 0; }), {},
                about("", text));
    };
    const auto number = [&](const char* path, double PlateauTest::*member, const char* text) {
        g.write(path, column_of(tests, [&](const PlateauTest& t) { return t.*member; }), {}, about("", text));
    };
    flag("usable", &PlateauTest::usable, "counts suffice");
    flag("testable", &PlateauTest::testable, "and at a lag at least twice as long");
    flag("agrees", &PlateauTest::agrees, "with all longer lags");
    number("largest", &PlateauTest::largest, "largest difference to a longer lag, in its standard errors");
    number("critical", &PlateauTest::critical, "noise alone stays below but for plateau_level");
    number("p", &PlateauTest::p, "share of resamplings above largest");
    number("resolution", &PlateauTest::resolution, "largest relative error of a difference of D");
    g.write("quantity",
            column_of(tests, [](const PlateauTest& t) { return static_cast<std::int64_t>(t.quantity); }), {},
            about("", "where the difference is largest: index into quantities ..."));
    g.write("lag", column_of(tests, [](const PlateauTest& t) { return static_cast<std::int64_t>(t.lag); }),
            {}, about("", "... and index of the longer lag"));
}

/// One row per lag; rows are as long as the longest, NaN where a lag has fewer modes.
void write_timescales(Hdf5Group& group, const std::string& name, const std::vector<LagResult>& lags,
                      std::vector<Estimate> LagResult::*member) {
    std::size_t n = 0;
    for (const LagResult& lag : lags) n = std::max(n, (lag.*member).size());
    std::vector<double> value, error;
    for (const LagResult& lag : lags)
        for (std::size_t m = 0; m < n; ++m) {
            const Estimate none{nan_value, nan_value};
            const Estimate e = m < (lag.*member).size() ? (lag.*member)[m] : none;
            value.push_back(e.value);
            error.push_back(e.error);
        }
    group.write(name, value, {lags.size(), n}, about("ps", "implied timescales, slowest first"));
    group.write(name + "_error", error, {lags.size(), n}, about("ps", "standard error"));
}

void write_curve(Hdf5Group& msd, const std::string& name, const MsdCurve& curve) {
    msd.write(name, curve.value, about("angstrom^2", "mean square displacement per axis"));
    msd.write(name + "_error", curve.error, about("angstrom^2", "standard error"));
}

void write_slope(Hdf5Group& msd, const std::string& name, const MsdSlope& slope, const MarkovResult& result) {
    Hdf5Group g = msd.create_group(name);
    write_vec3(g, "D", slope.diffusivity, per_time, "slope / 2");
    write_vec3(g, "error", slope.error, per_time, "standard error");
    write_vec3(g, "intercept", slope.intercept, "angstrom^2", "value at time zero");
    g.set_attribute("window_ps", std::vector<double>{result.fit_begin, result.fit_end});
}

void write_basis(Hdf5Group& root, const StoredSites& stored) {
    Hdf5Group g = root.create_group("basis");
    write(g, stored.sites.basis, stored.sites.space_group);
    const IMat3& N = stored.sites.supercell;
    g.write("supercell", std::vector<IVec3>{N.row(0), N.row(1), N.row(2)},
            about("", "N: simulated cell = N x folded cell, rows"));
    g.write("framework_positions", stored.framework_positions, about("angstrom", "in the simulated cell"));
    g.write_strings("framework_species", stored.framework_species);
    g.write_matrix("simulated_cell", stored.sites.cell.vectors(), about("angstrom", "rows are vectors"));
}

void write_jumps(Hdf5Group& root, const MarkovResult& r) {
    Hdf5Group g = root.create_group("network");
    g.write("from", column_of(r.network, [](const JumpClass& j) { return j.from.value; }), {},
            about("", "basis site"));
    g.write("to", column_of(r.network, [](const JumpClass& j) { return j.to.value; }), {},
            about("", "basis site"));
    g.write("R", column_of(r.network, [](const JumpClass& j) { return j.R; }),
            about("", "folded cell of the destination"));
    g.write("count", column_of(r.network, [](const JumpClass& j) { return j.count; }), {},
            about("", "hops seen"));
    g.write("displacement", column_of(r.network, [](const JumpClass& j) { return j.displacement; }),
            about("angstrom", ""));
    Hdf5Group back = root.create_group("recrossings");
    back.set_attribute("jumps", r.recrossings.jumps);
    back.set_attribute("back", r.recrossings.back);
    back.write("waiting_time", r.recrossings.waiting_time, {}, about("ps", "upper edges of the bins"));
    back.write("back_by_wait", r.recrossings.back_by_wait, {}, about("", "next jump goes back"));
    back.write("all_by_wait", r.recrossings.all_by_wait, {}, about("", "next jumps"));
}

/// The chosen lag's D with errors as JSON, for programs that want no more than that.
std::string headline_json(const MarkovAnalysis& a) {
    const LagResult& lag = a.lags.at(a.chosen);
    const auto list = [](const Vec3& v) {
        return fmt::format("[{}, {}, {}]", json_number(v[0]), json_number(v[1]), json_number(v[2]));
    };
    return fmt::format(R"({{"lag_time_ps": {}, "D": {}, "error": {}, "hops": {}, "unit": "angstrom^2/ps"}})",
                       json_number(lag.kernel.lag_time), list(lag.transport.diffusivity.diagonal()),
                       list(lag.error.diagonal()), list(lag.hops));
}

Verdict verdict_of(const std::string& text) {
    return text == "pass" ? Verdict::pass : text == "warn" ? Verdict::warn : Verdict::fail;
}

} // namespace

void write(Hdf5Group& root, const MarkovResult& result) {
    const MarkovAnalysis& a = result.analysis;
    write_basis(root, result.sites);
    Hdf5Group orbits = root.create_group("orbits");
    orbits.write_strings("name", column_of(result.orbits, [](const OrbitOccupancy& o) { return o.name; }));
    orbits.write("sites", column_of(result.orbits, [](const OrbitOccupancy& o) { return o.n_sites; }));
    orbits.write("occupancy", column_of(result.orbits, [](const OrbitOccupancy& o) { return o.occupancy; }),
                 {}, about("", "mean number of ions per site"));
    write_blocks(root, a);
    for (std::size_t k = 0; k < a.lags.size(); ++k) {
        Hdf5Group lag = root.create_group(fmt::format("lags/{}", k));
        write_lag(lag, a.lags[k]);
    }
    Hdf5Group timescales = root.create_group("timescales");
    timescales.write("lag_time", column_of(a.lags, [](const LagResult& l) { return l.kernel.lag_time; }), {},
                     about("ps", ""));
    write_timescales(timescales, "internal", a.lags, &LagResult::internal_timescales);
    write_timescales(timescales, "supercell", a.lags, &LagResult::supercell_timescales);

    using Point = ChapmanKolmogorovPoint;
    Hdf5Group ck = root.create_group("chapman_kolmogorov");
    ck.set_attribute("lag_time", a.lags.at(a.chosen).kernel.lag_time);
    ck.write("n", column_of(a.chapman_kolmogorov, [](const Point& p) { return p.n; }), {},
             about("", "chain length"));
    ck.write("error", column_of(a.chapman_kolmogorov, [](const Point& p) { return p.error; }), {},
             about("", "|M(n tau) - M(tau)^n| / |M(n tau)|, 2-norm"));
    ck.write("floor_median", column_of(a.chapman_kolmogorov, [](const Point& p) { return p.floor_median; }),
             {}, about("", "what sampling noise alone gives"));
    ck.write("floor_95", column_of(a.chapman_kolmogorov, [](const Point& p) { return p.floor_95; }), {},
             about("", "95th percentile of it"));

    Hdf5Group msd = root.create_group("msd");
    msd.write("time", a.raw.time, {}, about("ps", ""));
    write_curve(msd, "raw", a.raw);
    write_curve(msd, "projected", a.projected);
    msd.write("model_time", a.model.time, {}, about("ps", ""));
    write_curve(msd, "model", a.model);
    write_slope(msd, "fit", a.raw_slope, result);
    write_slope(msd, "fit_projected", a.projected_slope, result);

    Hdf5Group convergence = root.create_group("convergence");
    convergence.write("duration",
                      column_of(a.convergence, [](const ConvergencePoint& p) { return p.duration; }), {},
                      about("ps", "length of the data used"));
    convergence.write("D", column_of(a.convergence, [](const ConvergencePoint& p) { return p.diffusivity; }),
                      about(per_time, "D_xx, D_yy, D_zz"));
    convergence.write("error", column_of(a.convergence, [](const ConvergencePoint& p) { return p.error; }),
                      about(per_time, "standard error"));
    write_jumps(root, result);
    write_selection(root, a);
    for (std::size_t k = 0; k < a.checks.size(); ++k) {
        const Check& c = a.checks[k];
        Hdf5Group g = root.create_group(fmt::format("checks/{}", k));
        g.set_attribute("name", c.name);
        g.set_attribute("verdict", name(c.verdict));
        g.set_attribute("value", c.value);
        g.set_attribute("warn_above", c.warn_above);
        g.set_attribute("fail_above", c.fail_above);
        g.set_attribute("text", c.text);
    }
    root.set_attribute("chosen_lag", static_cast<std::int64_t>(a.chosen));
    root.set_attribute("chosen_lag_time", a.lags.at(a.chosen).kernel.lag_time);
    root.set_attribute("agreement_sentence", a.agreement_sentence);
    write_status(root, {a.markovian, a.selection.reason});
    root.set_attribute("estimator", name(result.estimator));
    root.set_attribute("estimator_reason", result.estimator_reason);
    root.set_attribute("estimator_iterations",
                       static_cast<std::int64_t>(a.lags.at(a.chosen).estimator.iterations));
    root.set_attribute("estimator_gradient", a.lags.at(a.chosen).estimator.gradient);
    root.set_attribute("symmetry_operations", static_cast<std::int64_t>(result.symmetry_operations));
    write(root, result.details, a.lags.at(a.chosen));
    root.set_attribute("headline", headline_json(a));
}

void write_status(Hdf5Group& root, const ModelStatus& status) {
    root.set_attribute("markovian", status.markovian ? 1 : 0);
    root.set_attribute("markovian_reason", status.reason);
}

ModelStatus read_status(const Hdf5Group& root) {
    return {root.attribute<int>("markovian") != 0, root.string_attribute("markovian_reason")};
}

MarkovHeadline read_headline(const Hdf5Group& root) {
    MarkovHeadline h;
    const double scale = bootstrap_scale(root.group("blocks").read<std::int64_t>("begin").size());
    for (std::size_t k = 0; root.has_group(fmt::format("lags/{}", k)); ++k) {
        const Hdf5Group lag = root.group(fmt::format("lags/{}", k)), d = lag.group("diffusivity");
        LagHeadline l;
        l.lag_time = lag.attribute<double>("lag_time");
        l.diffusivity = d.read_matrix("D");
        l.error = d.read_matrix("error");
        l.hops = read_vec3(d, "hops");
        const std::vector<double> samples = d.read<double>("samples");
        std::vector<double> means;
        for (std::size_t s = 0; s + 3 <= samples.size(); s += 3)
            means.push_back((samples[s] + samples[s + 1] + samples[s + 2]) / 3);
        l.mean_error = scale * standard_deviation(means);
        l.model_slope = read_vec3(d, "model_slope");
        l.msd_slope = read_vec3(d, "msd_slope");
        const auto window = d.attribute_values<double>("window_ps");
        if (window.size() == 2) l.window_begin = window[0], l.window_end = window[1];
        const auto z = d.attribute_values<double>("z_msd");
        if (z.size() == 3) l.z_msd = Vec3(z[0], z[1], z[2]);
        l.agrees = d.attribute<int>("agrees") != 0;
        h.lags.push_back(l);
    }
    h.chosen = static_cast<std::size_t>(root.attribute<std::int64_t>("chosen_lag"));
    if (h.chosen >= h.lags.size())
        throw FileError(root.file_name() + ": the chosen lag is not in the file. Run the msm stage again");
    const auto slope = [&](const std::string& path) {
        const Hdf5Group g = root.group(path);
        return MsdSlope{read_vec3(g, "D"), read_vec3(g, "error"), read_vec3(g, "intercept")};
    };
    h.slope = slope("msd/fit");
    h.projected_slope = slope("msd/fit_projected");
    const auto window = root.group("msd/fit").attribute_values<double>("window_ps");
    if (window.size() == 2) h.fit_begin = window[0], h.fit_end = window[1];
    h.agreement_sentence = root.string_attribute("agreement_sentence");
    h.status = read_status(root);
    for (std::size_t k = 0; root.has_group(fmt::format("checks/{}", k)); ++k) {
        const Hdf5Group g = root.group(fmt::format("checks/{}", k));
        h.checks.push_back({g.string_attribute("name"), verdict_of(g.string_attribute("verdict")),
                            g.attribute<double>("value"), g.attribute<double>("warn_above"),
                            g.attribute<double>("fail_above"), g.string_attribute("text")});
    }
    const Hdf5Group orbits = root.group("orbits");
    const auto names = orbits.read_strings("name");
    const auto sites = orbits.read<std::int64_t>("sites");
    const auto occupancy = orbits.read<double>("occupancy");
    for (std::size_t k = 0; k < std::min({names.size(), sites.size(), occupancy.size()}); ++k)
        h.orbits.push_back({names[k], sites[k], occupancy[k]});
    return h;
}

Kernel read_chosen_kernel(const Hdf5Group& root) {
    const auto chosen = root.attribute<std::int64_t>("chosen_lag");
    return read_kernel(root.group(fmt::format("lags/{}/kernel", chosen)), read_basis(root.group("basis")));
}

} // namespace mesolith
