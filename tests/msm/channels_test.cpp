#include <cmath>
#include <limits>

#include "mesolith/core/error.hpp"
#include "mesolith/msm/channels.hpp"

#include "support/catch.hpp"
#include "support/cells.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

constexpr double fast = 0.02, slow = 1e-8;

/// Sites by the given two-way bonds, all stationary probabilities equal.
struct BondsOf {
    std::size_t n_sites;
    Flows flows;

    BondsOf& bond(std::int32_t from, std::int32_t to, const IVec3& R, double p) {
        const double flow = p / static_cast<double>(n_sites);
        flows[{from, to, R}] = flows[{to, from, -R}] = flow;
        return *this;
    }
    Kernel kernel() const {
        SiteBasis basis;
        basis.cell = Cell(Mat3(5 * Mat3::Identity()));
        for (std::size_t i = 0; i < n_sites; ++i)
            basis.positions.push_back(Vec3(static_cast<double>(i), 0, 0));
        Kernel k = kernel_from_flows(basis, std::vector<double>(n_sites, 1 / static_cast<double>(n_sites)),
                                     flows, 1);
        k.reversible = true;
        return k;
    }
};

using test::cells::here;
using test::cells::x;
using test::cells::y;
using test::cells::z;

} // namespace

TEST_CASE("two channels along z and a cage come out with their sites, directions and names",
          "[msm][channels]") {
    const Kernel k = BondsOf{6, {}}
                         .bond(0, 2, x, fast) // channel of 0 and 2, in another cell: z by a detour through x
                         .bond(2, 0, z - x, fast)
                         .bond(1, 1, z, 2 * fast) // channel of 1 alone
                         .bond(3, 4, here, fast)  // cage of 3, 4, 5
                         .bond(4, 5, y, fast)
                         .bond(5, 3, -y, fast)
                         .bond(0, 1, here, slow)
                         .bond(1, 3, here, 2 * slow)
                         .bond(1, 2, x, slow / 2)
                         .bond(5, 0, y, slow)
                         .kernel();
    const Channels c = find_channels(k);
    REQUIRE(c.channels.size() == 3);
    CHECK(c.gap == Approx(fast / (2 * slow)));
    CHECK(c.threshold == Approx(std::sqrt(fast * 2 * slow)));
    CHECK(c.channels[0].sites == std::vector<std::int32_t>{3, 4, 5});
    CHECK(c.channels[0].rank == 0);
    CHECK(c.channels[0].name == "cage 1 (Li1)");
    CHECK(c.channels[0].share == Approx(0.5));
    CHECK(c.channels[1].sites == std::vector<std::int32_t>{0, 2});
    CHECK(c.channels[1].name == "channel 2 (Li1)");
    REQUIRE(c.channels[1].rank == 1);
    CHECK(c.channels[1].directions == std::vector<IVec3>{z});
    CHECK(c.channels[2].sites == std::vector<std::int32_t>{1});
    CHECK(c.channels[2].rank == 1);
    CHECK(c.channel_of == std::vector<std::int32_t>{1, 2, 1, 0, 0, 0});
}

TEST_CASE("layers and networks have rank two and three, an even lattice is one network", "[msm][channels]") {
    const Kernel layer =
        BondsOf{1, {}}.bond(0, 0, x, fast).bond(0, 0, y - x, 3 * fast).bond(0, 0, z, slow).kernel();
    const Channels c = find_channels(layer);
    REQUIRE(c.channels.size() == 1);
    CHECK(c.channels[0].rank == 2);
    CHECK(c.channels[0].name == "layer 1 (Li1)");
    const Channels all = find_channels(fcc());
    CHECK(all.channels[0].rank == 3);
    CHECK(all.channels[0].name == "network 1 (Li1)");
    CHECK(all.threshold == 0.0);
    CHECK(std::isinf(all.gap));
    CHECK(find_channels(layer, slow / 2).channels[0].rank == 3);
    CHECK(find_channels(layer, 1.0).channels[0].rank == 0);
    CHECK(find_channels(layer, 2 * fast).channels[0].rank == 1);
    CHECK(find_channels(layer, 0, 1e9).channels[0].rank == 3); // no gap that wide
    CHECK_THROWS_AS(find_channels(layer, -1), DataError);
    CHECK_THROWS_AS(find_channels(layer, std::numeric_limits<double>::quiet_NaN()), DataError);
}

TEST_CASE("one-way hops hold no channel together", "[msm][channels]") {
    Kernel k = alternating_chain(0.3, 0.05);
    k.entries.erase(std::remove_if(k.entries.begin(), k.entries.end(),
                                   [](const KernelEntry& e) { return e.R == IVec3(1, 0, 0); }),
                    k.entries.end());
    k.column = {0, k.entries.size() - 2, k.entries.size()};
    const Channels c = find_channels(k);
    REQUIRE(c.channels.size() == 1);
    CHECK(c.channels[0].rank == 0);
}

TEST_CASE("an ion leaves its channel also for another image of the same", "[msm][channels]") {
    // Fast along 2z: even and odd cells are two images of one channel, exchanged by the slow hop along z.
    const Kernel images = BondsOf{1, {}}.bond(0, 0, 2 * z, fast).bond(0, 0, z, slow).kernel();
    const Channels c = find_channels(images, 1e-4);
    CHECK(c.channels[0].directions == std::vector<IVec3>{2 * z});
    CHECK(channel_escape_steps(images, c)[0] == Approx(1 / (2 * slow)).epsilon(1e-14));

    // Two sites in fast exchange, one of which leaves: T_1 = 2 / p_out, T_0 = T_1 + 1 / fast.
    const Kernel pair = BondsOf{3, {}}
                            .bond(0, 1, z, fast)
                            .bond(0, 1, x, 1e-3 * slow) // back into its own channel's next image along x - z
                            .bond(1, 2, here, slow)
                            .kernel();
    const Channels two = find_channels(pair, 1e-4);
    REQUIRE(two.channels.size() == 2);
    const std::vector<double> steps = channel_escape_steps(pair, two);
    const double e = 1e-3 * slow, f = fast, s = slow; // T_0 (f + e) = 1 + f T_1, T_1 (f + e + s) = 1 + f T_0
    const double T1 = (f + e + f) / ((f + e) * (e + s) + f * e), T0 = (1 + f * T1) / (f + e);
    CHECK(steps[0] == Approx(T0).epsilon(1e-13));
    CHECK(steps[1] == Approx(T1).epsilon(1e-13));
    CHECK(steps[2] == Approx(1 / s).epsilon(1e-13));

    const std::vector<double> never = channel_escape_steps(pair, find_channels(pair, e / 2));
    CHECK(std::isinf(never[0]));
    CHECK_THROWS_AS(channel_escape_steps(fcc(), two), DataError);
}
