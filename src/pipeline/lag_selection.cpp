#include "mesolith/pipeline/lag_selection.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/time_blocks.hpp"

namespace mesolith {
namespace {

void check_shapes(const std::vector<LagQuantities>& lags, const std::vector<std::string>& names) {
    if (lags.empty()) throw DataError("no lag to select from. List at least one");
    const auto expect = [](bool right) {
        if (!right) throw DataError("lags differ in what is known of them");
    };
    for (std::size_t l = 0; l < lags.size(); ++l) {
        const LagQuantities& lag = lags[l];
        if (l > 0 && !(lag.lag_time > lags[l - 1].lag_time)) throw DataError("lags are not ascending");
        expect(lag.value.size() + lag.residual.size() == names.size());
        expect(lag.value.size() == lags[0].value.size() && lag.sample.size() == lags[0].sample.size());
        expect(lag.residual.empty() || lag.residual_sample.size() == lag.sample.size());
        for (const auto& s : lag.sample) expect(s.size() == lag.value.size());
        for (const auto& s : lag.residual_sample) expect(s.size() == lag.residual.size());
    }
}

/// A number at two lags, or a residual.
struct Comparison {
    std::size_t quantity, lag;
    double difference, error;
    std::vector<double> z; // resampled, about the estimate
};

void add(std::vector<Comparison>& comparisons, Comparison c, double scale) {
    if (!std::isfinite(c.difference)) return;
    c.error = scale * standard_deviation(c.z);
    if (!(c.error > 0)) return; // identically zero by symmetry, or hardly ever finite
    for (double& x : c.z) x = std::isfinite(x) ? scale * (x - c.difference) / c.error : 0.0;
    comparisons.push_back(std::move(c));
}

std::vector<Comparison> compare(const std::vector<LagQuantities>& lags, std::size_t l,
                                const std::vector<PlateauTest>& tests, double scale) {
    const LagQuantities& here = lags[l];
    std::vector<Comparison> comparisons;
    for (std::size_t m = l + 1; m < lags.size(); ++m) {
        if (!tests[m].usable) continue;
        for (std::size_t q = 0; q < here.value.size(); ++q) {
            Comparison c{q, m, here.value[q] - lags[m].value[q], 0, {}};
            for (std::size_t b = 0; b < here.sample.size(); ++b)
                c.z.push_back(here.sample[b][q] - lags[m].sample[b][q]);
            add(comparisons, std::move(c), scale);
        }
    }
    for (std::size_t r = 0; r < here.residual.size(); ++r) {
        Comparison c{here.value.size() + r, l, here.residual[r], 0, {}};
        for (const auto& s : here.residual_sample) c.z.push_back(s[r]);
        add(comparisons, std::move(c), scale);
    }
    return comparisons;
}

PlateauTest test_lag(const std::vector<LagQuantities>& lags, std::size_t l,
                     const std::vector<PlateauTest>& tests, const LagSelectionOptions& o) {
    PlateauTest t = tests[l];
    if (!t.usable) return t;
    const std::vector<Comparison> comparisons = compare(lags, l, tests, o.scale);
    std::vector<double> noise(lags[l].sample.size(), 0.0);
    for (const Comparison& c : comparisons) {
        const double z = std::abs(c.difference) / c.error;
        if (z >= t.largest) {
            t.largest = z;
            t.quantity = c.quantity;
            t.lag = c.lag;
            t.difference = c.difference;
            t.error = c.error;
        }
        for (std::size_t b = 0; b < noise.size(); ++b) noise[b] = std::max(noise[b], std::abs(c.z[b]));
        if (c.quantity < o.n_first)
            t.resolution = std::max(t.resolution, c.error / std::abs(lags[l].value[c.quantity]));
    }
    if (comparisons.empty()) return t;
    std::sort(noise.begin(), noise.end());
    const auto n = static_cast<double>(noise.size());
    t.critical = noise[std::min(noise.size() - 1, static_cast<std::size_t>((1 - o.level) * n))];
    t.p = static_cast<double>(noise.end() - std::lower_bound(noise.begin(), noise.end(), t.largest)) / n;
    t.testable = std::any_of(comparisons.begin(), comparisons.end(), [&](const Comparison& c) {
        return c.quantity < o.n_first && lags[c.lag].lag_time >= 2 * lags[l].lag_time * (1 - 1e-9);
    });
    t.agrees = t.testable && t.largest <= t.critical;
    return t;
}

std::string explain(const LagSelection& s, const std::vector<LagQuantities>& lags,
                    const std::vector<std::string>& names, const LagSelectionOptions& o) {
    const auto where = [&](std::size_t l) {
        const PlateauTest& t = s.tests[l];
        const std::string other = t.quantity < lags[l].value.size()
                                      ? fmt::format("at {:g} ps", lags[t.lag].lag_time)
                                      : std::string("of the trajectory");
        return fmt::format("{} differs from that {} by {:.1f} standard errors (noise alone: {:.1f})",
                           names[t.quantity], other, t.largest, t.critical);
    };
    const PlateauTest& chosen = s.tests[s.chosen];
    if (!chosen.usable)
        return fmt::format("No lag has {:g} independent hops behind every component of D: too little data "
                           "for a Markov model.",
                           o.fewest_hops);
    if (s.plateau) {
        std::string text = fmt::format(
            "{:g} ps is the shortest lag whose D and slow timescales agree with those at all longer lags, "
            "and the "
            "growth of its MSD with that of the trajectory (largest difference {:.1f} standard errors, noise "
            "alone: {:.1f}; a change of D by more than {:.0f} % would have been seen).",
            lags[s.chosen].lag_time, chosen.largest, chosen.critical, 200 * chosen.resolution);
        for (std::size_t l = s.chosen; l-- > 0;)
            if (s.tests[l].testable) return text + fmt::format(" At {:g} ps {}.", lags[l].lag_time, where(l));
        return text;
    }
    std::string text = "No lag agrees with all longer ones";
    for (std::size_t l = s.chosen; l-- > 0;)
        if (s.tests[l].testable)
            return text +
                   fmt::format(": even at {:g} ps {}. The model is not Markovian; longer lags are needed, "
                               "and the data for them.",
                               lags[l].lag_time, where(l));
    return text +
           fmt::format(": none that is twice as long as another has {:g} independent hops behind every "
                       "component of D. Whether the model is Markovian cannot be told from these data.",
                       o.fewest_hops);
}

} // namespace

LagSelection select_lag(const std::vector<LagQuantities>& lags, const std::vector<std::string>& names,
                        const LagSelectionOptions& options) {
    check_shapes(lags, names);
    LagSelection s;
    s.tests.resize(lags.size());
    for (std::size_t l = 0; l < lags.size(); ++l) {
        s.tests[l].usable = lags[l].fewest_hops >= options.fewest_hops;
        if (s.tests[l].usable) s.chosen = l;
    }
    for (std::size_t l = 0; l < lags.size(); ++l) s.tests[l] = test_lag(lags, l, s.tests, options);
    for (std::size_t l = lags.size(); l-- > 0;) {
        if (!s.tests[l].testable) continue;
        if (!s.tests[l].agrees) break; // a shorter lag that agrees with all longer ones does so by chance
        s.plateau = true;
        s.chosen = l;
    }
    s.reason = explain(s, lags, names, options);
    return s;
}

} // namespace mesolith
