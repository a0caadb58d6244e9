#include <cmath>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/transport.hpp"
#include "mesolith/pipeline/direct_comparison.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

/// A trajectory of 12 blocks whose D is the mean of their values.
DirectTransport direct_from(const std::vector<double>& block) {
    DirectTransport d;
    for (const double v : block) d.tracer += Vec3::Constant(v / static_cast<double>(block.size()));
    for (const double v : block)
        d.tracer_influence.push_back((Vec3::Constant(v) - d.tracer) / static_cast<double>(block.size()));
    return d;
}

const std::vector<double> blocks{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};

} // namespace

TEST_CASE("a model that moves with the trajectory differs from it by its own noise only",
          "[pipeline][direct]") {
    const DirectTransport direct = direct_from(blocks);
    std::vector<Vec3> samples;
    std::vector<double> own;
    for (std::uint32_t b = 0; b < 4000; ++b) {
        const auto w = bootstrap_weights(blocks.size(), 7, b);
        double D = 0;
        for (std::size_t k = 0; k < blocks.size(); ++k)
            D += w[k] * blocks[k] / static_cast<double>(blocks.size());
        own.push_back(0.01 * std::cos(1.7 * b)); // what the model adds
        samples.push_back(Vec3::Constant(D + 0.02 + own.back()));
    }
    const Vec3 model = direct.tracer + Vec3::Constant(0.02);
    const DirectComparison c = compare_with_direct(direct, model, samples, 7);
    const double expected = 0.02 / (bootstrap_scale(blocks.size()) * standard_deviation(own));
    for (int a = 0; a < 3; ++a) CHECK(c.z[a] == Approx(expected).epsilon(1e-9));
    CHECK(c.z_mean == Approx(expected).epsilon(1e-9));
    CHECK(c.model_error[0] > 0.3); // that of the mean of the blocks, far above the error of the difference
}

TEST_CASE("with other weights than those of the samples the motion does not cancel", "[pipeline][direct]") {
    const DirectTransport direct = direct_from(blocks);
    std::vector<Vec3> samples;
    for (std::uint32_t b = 0; b < 200; ++b) {
        const auto w = bootstrap_weights(blocks.size(), 8, b);
        Vec3 D = direct.tracer;
        for (std::size_t k = 0; k < blocks.size(); ++k) D += (w[k] - 1) * direct.tracer_influence[k];
        samples.push_back(D);
    }
    const Vec3 model = direct.tracer + Vec3::Constant(0.02);
    CHECK(compare_with_direct(direct, model, samples, 8).z[0] > 1e6);
    CHECK(compare_with_direct(direct, model, samples, 7).z[0] < 1);
    CHECK_THROWS_AS(compare_with_direct(direct, model, {}, 7), DataError);
    CHECK_THROWS_AS(compare_with_direct(direct_from({1}), model, samples, 7), DataError);
}

TEST_CASE(
    "a fit of the MSD finds in a chain without memory its D, in one with memory the slope of the window",
    "[pipeline][direct]") {
    SlopeEstimator line;
    line.lags = {0, 1}; // two points: the difference quotient
    line.weight = {-1.0 / (2 * 12), 1.0 / (2 * 12)};
    const Kernel memoryless = simple_cubic();
    const double tau = memoryless.lag_time;
    const std::vector<double> time{2.5 * tau, 2.5 * tau + 12};
    const Vec3 D = exact_transport(memoryless).diffusivity.diagonal();
    CHECK((slope_of_model(memoryless, line, time) - D).norm() < 1e-12);
    const Kernel chain = alternating_chain();
    const std::vector<double> grid{chain.lag_time, 4 * chain.lag_time};
    line.weight = {-1 / (6 * chain.lag_time), 1 / (6 * chain.lag_time)};
    const auto msd = exact_msd(chain, {1, 4});
    CHECK(slope_of_model(chain, line, grid)[0] ==
          Approx((msd[1](0, 0) - msd[0](0, 0)) / (6 * chain.lag_time)).epsilon(1e-12));
    CHECK_THROWS_AS(slope_of_model(chain, line, std::vector<double>{0.5 * chain.lag_time, 4}), DataError);
}
