// What describe_model found, in msm.h5; paths and shapes in docs/files.md.
#include <fmt/format.h>

#include "mesolith/pipeline/analysis_file.hpp"

#include "columns.hpp"

namespace mesolith {
namespace {

void write_pooling(Hdf5Group& root, const std::vector<PoolingLevel>& levels) {
    Hdf5Group g = root.create_group("pooling");
    g.write_strings("level", column_of(levels, [](const PoolingLevel& l) { return l.name; }));
    g.write("entries",
            column_of(levels, [](const PoolingLevel& l) { return static_cast<std::int64_t>(l.entries); }), {},
            about("", "numbers that the data determine at the chosen lag"));
    g.write("half_difference", column_of(levels, [](const PoolingLevel& l) { return l.half_difference; }), {},
            about("", "2-norm of the difference between kernels of the two halves of the data"));
    g.write("used", column_of(levels, [](const PoolingLevel& l) { return l.used ? 1 : 0; }));
}

void write_direct(Hdf5Group& root, const DirectComparison& c, const LagResult& chosen) {
    const DirectTransport& d = c.direct;
    Hdf5Group g = root.create_group("direct");
    g.set_attribute("method", d.method);
    g.set_attribute("window_ps", std::vector<double>{d.begin, d.end});
    g.set_attribute("straight", d.straight ? 1 : 0);
    g.set_attribute("n_ions", static_cast<std::int64_t>(d.n_ions));
    g.set_attribute("n_blocks", static_cast<std::int64_t>(d.n_blocks));
    g.set_attribute("windows", d.windows);
    g.set_attribute("has_collective", d.has_collective ? 1 : 0);
    g.set_attribute("z_mean", c.z_mean);
    write_vec3(g, "tracer", d.tracer, per_time, "D* of a tagged ion from the MSD");
    write_vec3(g, "tracer_error", d.tracer_error(), per_time, "standard error");
    write_vec3(g, "collective", d.collective, per_time, "D_J, of the charge");
    write_vec3(g, "collective_error", d.collective_error, per_time, "standard error");
    write_vec3(g, "haven", d.haven, "", "Haven ratio D* / D_J");
    write_vec3(g, "haven_error", d.haven_error, "", "standard error");
    write_vec3(g, "model_window", c.model, per_time, "what the same fit finds in the MSD of the model");
    write_vec3(g, "model_window_error", c.model_error, per_time, "standard error");
    write_vec3(g, "z", c.z, "", "(model_window - tracer) / error of the difference");
    write_vec3(g, "model", chosen.transport.diffusivity.diagonal(), per_time, "D of the model at long times");
    write_vec3(g, "model_error", chosen.error.diagonal(), per_time, "standard error");
    const auto pair = [&](const char* path, const Estimate& e, const char* units) {
        g.write(path, std::vector<double>{e.value, e.error}, {},
                about(units, "mean of the axes, standard error"));
    };
    pair("tracer_mean", d.tracer_mean, per_time);
    pair("collective_mean", d.collective_mean, per_time);
    pair("haven_mean", d.haven_mean, "");
}

void write_rates(Hdf5Group& root, const std::vector<RateComparison>& rates) {
    Hdf5Group g = root.create_group("rates");
    g.write_strings("method", column_of(rates, [](const RateComparison& r) { return r.method; }));
    g.write_strings("text", column_of(rates, [](const RateComparison& r) { return r.text; }));
    g.write("accepted", column_of(rates, [](const RateComparison& r) { return r.accepted ? 1 : 0; }), {},
            about("", "whether there is a rate matrix"));
    g.write("D", flat(column_of(rates, [](const RateComparison& r) { return r.diffusivity; })),
            {rates.size(), 3, 3}, about(per_time, "D of the rate matrix"));
    g.write("error", flat(column_of(rates, [](const RateComparison& r) { return r.error; })),
            {rates.size(), 3, 3}, about(per_time, "standard error, NaN where not resampled"));
}

void write_residence(Hdf5Group& root, const ModelDetails& d) {
    const std::vector<ResidenceTime>& rows = d.residence;
    Hdf5Group g = root.create_group("residence");
    g.write_strings("orbit", d.orbit_names);
    const auto number = [&](const char* path, double ResidenceTime::*member, const char* units,
                            const char* text) {
        g.write(path, column_of(rows, [&](const ResidenceTime& r) { return r.*member; }), {},
                about(units, text));
    };
    g.write("stays", column_of(rows, [](const ResidenceTime& r) { return r.stays; }));
    g.write("ended", column_of(rows, [](const ResidenceTime& r) { return r.ended; }), {},
            about("", "stays whose end was seen"));
    number("mean", &ResidenceTime::mean, "ps", "maximum likelihood, stays cut off by the data included");
    number("mean_error", &ResidenceTime::mean_error, "ps", "standard error");
    number("median", &ResidenceTime::median, "ps", "of the survival curve, NaN when not reached");
    number("median_ratio", &ResidenceTime::median_ratio, "", "median / (mean ln 2), 1 for exponential stays");
    number("distance", &ResidenceTime::distance, "", "largest |S(t) - exp(-t / mean)|");
    number("distance_limit", &ResidenceTime::distance_limit, "", "its 5 % point for exponential stays");
    for (std::size_t k = 0; k < rows.size(); ++k) {
        const Survival& s = rows[k].survival;
        g.write(fmt::format("{}/time", k), s.time, {}, about("ps", ""));
        g.write(fmt::format("{}/survival", k), s.value, {}, about("", "share of stays that last longer"));
        g.write(fmt::format("{}/error", k), s.error, {}, about("", "standard error (Greenwood)"));
    }
}

void write_modes(Hdf5Group& root, const ModeTable& table) {
    const std::vector<ModeAnalysis>& modes = table.modes;
    Hdf5Group g = root.create_group("modes");
    const std::size_t n = modes.size(), n_sites = n > 0 ? modes.front().site_weight.size() : 0,
                      n_orbits = n > 0 ? modes.front().orbit_weight.size() : 0;
    g.write("eigenvalue_re", column_of(modes, [](const ModeAnalysis& m) { return m.eigenvalue.real(); }));
    g.write("eigenvalue_im", column_of(modes, [](const ModeAnalysis& m) { return m.eigenvalue.imag(); }));
    g.write("timescale", column_of(modes, [](const ModeAnalysis& m) { return m.timescale; }), {},
            about("ps", ""));
    g.write("size",
            column_of(modes,
                      [&](const ModeAnalysis& m) {
                          return static_cast<std::int64_t>(table.spectrum.groups[m.group].size());
                      }),
            {}, about("", "modes of equal eigenvalue"));
    g.write_strings("kind", column_of(modes, [](const ModeAnalysis& m) { return to_string(m.kind); }));
    g.write("participation", column_of(modes, [](const ModeAnalysis& m) { return m.participation; }), {},
            about("", "number of sites that take part"));
    g.write("orbit_exchange", column_of(modes, [](const ModeAnalysis& m) { return m.orbit_exchange; }), {},
            about("", "share of the variance between orbits"));
    g.write("channel_exchange", column_of(modes, [](const ModeAnalysis& m) { return m.channel_exchange; }),
            {}, about("", "share of the variance between channels"));
    g.write("channel", column_of(modes, [](const ModeAnalysis& m) { return m.channel; }), {},
            about("", "channel with most of the weight, -1: none"));
    g.write("site_weight", flat(column_of(modes, [](const ModeAnalysis& m) { return m.site_weight; })),
            {n, n_sites}, about("", "weight of each site, sums to 1"));
    g.write("orbit_weight", flat(column_of(modes, [](const ModeAnalysis& m) { return m.orbit_weight; })),
            {n, n_orbits}, about("", "the same by orbit"));
    g.write("share", column_of(modes, [](const ModeAnalysis& m) { return m.share; }),
            about("", "share of the correlation part of D along x, y, z"));
    g.write("correlation", flat(column_of(modes, [](const ModeAnalysis& m) { return m.correlation; })),
            {n, 3, 3}, about(per_time, "contribution to the correlation part of D"));
    const SiteSpectrum& s = table.spectrum;
    std::vector<double> right, left;
    for (const ModeAnalysis& m : modes) {
        const auto first = static_cast<Eigen::Index>(s.groups[m.group].members.front());
        for (Eigen::Index j = 0; j < s.right.rows(); ++j) {
            right.push_back(s.right(j, first).real());
            left.push_back(s.left(j, first).real());
        }
    }
    g.write("right", right, {n, n_sites},
            about("", "right eigenvector of the first mode of each group, real part"));
    g.write("left", left, {n, n_sites}, about("", "left eigenvector, real part"));
    std::vector<double> timescale, overlap;
    for (const ModeAnalysis& m : modes)
        for (const ModePartner& p : table.followed[m.group].partner) {
            timescale.push_back(p.timescale);
            overlap.push_back(p.overlap);
        }
    const std::size_t n_lags = n > 0 ? timescale.size() / n : 0;
    g.write("followed", timescale, {n, n_lags},
            about("ps", "timescale of the same mode at each lag, NaN: none"));
    g.write("overlap", overlap, {n, n_lags}, about("", "overlap with it"));
}

void write_bands(Hdf5Group& root, const BandPath& path) {
    Hdf5Group g = root.create_group("bands");
    const std::size_t n = path.bands.kappa.size();
    g.write("kappa", path.bands.kappa, about("", "in reciprocal vectors of the folded cell"));
    g.write("distance", path.distance, {}, about("1/angstrom", "along the path"));
    g.write("rate", path.bands.rate, {n, path.bands.n_bands}, about("1/ps", "-ln|lambda| / tau"));
    g.write("parabola", path.bands.parabola, {n, path.bands.n_classes},
            about("1/ps", "k.D.k of each closed class"));
    g.write("segment", column_of(path.segment, [](std::size_t s) { return static_cast<std::int64_t>(s); }),
            {}, about("", "first point of each segment, then the number of points"));
    g.write_strings("label", path.label);
}

void write_van_hove(Hdf5Group& root, const VanHoveTable& t) {
    Hdf5Group g = root.create_group("van_hove");
    const std::size_t n = t.time.size(), bins = t.bins.n;
    g.set_attribute("bin", t.bins.width);
    g.write("time", t.time, {}, about("ps", ""));
    g.write("model", flat(column_of(t.model, [](const VanHove& v) { return v.probability; })), {n, bins},
            about("", "probability of a displacement in each bin of distance"));
    g.write("beyond", column_of(t.model, [](const VanHove& v) { return v.beyond; }), {},
            about("", "further away"));
    g.write("dropped", column_of(t.model, [](const VanHove& v) { return v.dropped; }), {},
            about("", "truncated"));
    g.write("trajectory", flat(t.trajectory), {n, bins}, about("", "of the site-projected trajectory"));
    g.write("error", flat(t.error), {n, bins}, about("", "standard error"));
    Hdf5Group s = root.create_group("scattering");
    const std::size_t n_k = t.wave_vectors.size();
    s.write("k", t.wave_vectors, about("1/angstrom", "wave vectors"));
    s.write("time", t.time, {}, about("ps", ""));
    s.write("model", flat(t.model_scattering), {n_k, n}, about("", "real part of F_s(k, t) of the kernel"));
    s.write("trajectory", flat(t.scattering), {n_k, n}, about("", "of the site-projected trajectory"));
    s.write("error", flat(t.scattering_error), {n_k, n}, about("", "standard error"));
}

void write_passage(Hdf5Group& root, const PassageTable& t) {
    Hdf5Group c = root.create_group("channels");
    const std::vector<Channel>& channels = t.channels.channels;
    c.set_attribute("threshold", t.channels.threshold);
    c.set_attribute("gap", t.channels.gap);
    c.write_strings("name", column_of(channels, [](const Channel& x) { return x.name; }));
    c.write("share", column_of(channels, [](const Channel& x) { return x.share; }), {},
            about("", "of the ions"));
    c.write("rank", column_of(channels, [](const Channel& x) { return x.rank; }), {},
            about("", "0 cage, 1 channel, 2 layer, 3 network"));
    c.write("of_site", t.channels.channel_of);
    c.write("escape_time", t.escape_time, {},
            about("ps", "mean time until an ion leaves its channel, per site"));

    Hdf5Group g = root.create_group("first_passage");
    const auto n = static_cast<std::size_t>(t.time.rows());
    std::vector<double> time, rate;
    for (Eigen::Index a = 0; a < t.time.rows(); ++a)
        for (Eigen::Index b = 0; b < t.time.cols(); ++b) {
            time.push_back(t.time(a, b));
            rate.push_back(t.rate(a, b));
        }
    g.write_strings("orbit", t.orbits);
    g.write("time", time, {n, n}, about("ps", "mean first passage from the row's orbit to the column's"));
    g.write("rate", rate, {n, n}, about("1/ps", "k_AB of transition path theory"));
    write_vec3(g, "next_cell", t.next_cell, "ps",
               "mean time to get a folded cell away along each lattice vector");
    write_vec3(g, "slab_diffusivity", t.slab_diffusivity, per_time,
               "n.D.n from reactive paths through slabs");
    write_vec3(g, "plane_diffusivity", t.plane_diffusivity, per_time, "n.D.n of the tensor");

    Hdf5Group odd = root.create_group("connectivity");
    odd.write("site", column_of(t.odd_sites, [](const OddSite& s) { return s.site; }));
    odd.write_strings("name", column_of(t.odd_sites, [](const OddSite& s) { return s.name; }));
    odd.write_strings("kind",
                      column_of(t.odd_sites, [](const OddSite& s) { return std::string(name_of(s.kind)); }));
}

void write_forecast(Hdf5Group& root, const Forecast& f) {
    Hdf5Group g = root.create_group("forecast");
    g.set_attribute("goal", f.goal);
    write_vec3(g, "relative_error", f.relative_error, "", "of D_xx, D_yy, D_zz");
    write_vec3(g, "wanted_time", f.wanted_time, "ps", "length of data that brings it down to `goal`");
    using Jump = Forecast::Jump;
    g.write("from", column_of(f.jumps, [](const Jump& j) { return j.move.from; }));
    g.write("to", column_of(f.jumps, [](const Jump& j) { return j.move.to; }));
    g.write("R", column_of(f.jumps, [](const Jump& j) { return j.move.R; }),
            about("", "folded cell of `to`"));
    g.write("displacement", column_of(f.jumps, [](const Jump& j) { return j.displacement; }),
            about("angstrom", ""));
    g.write("seen", column_of(f.jumps, [](const Jump& j) { return j.seen; }), {},
            about("", "windows of the chosen lag, with all equivalent and reverse ones"));
    g.write("share", column_of(f.jumps, [](const Jump& j) { return j.share; }),
            about("", "of the variance of D_xx, D_yy, D_zz"));
}

} // namespace

void write(Hdf5Group& root, const ModelDetails& details, const LagResult& chosen) {
    write_pooling(root, details.pooling);
    write_direct(root, details.comparison, chosen);
    write_rates(root, details.rates);
    write_residence(root, details);
    write_modes(root, details.modes);
    write_bands(root, details.bands);
    write_van_hove(root, details.van_hove);
    write_passage(root, details.passage);
    write_forecast(root, details.forecast);
}

} // namespace mesolith
