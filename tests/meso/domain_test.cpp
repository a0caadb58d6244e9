#include <functional>
#include <random>

#include "mesolith/core/error.hpp"
#include "mesolith/crystal/eigen_solvers.hpp"
#include "mesolith/meso/domain.hpp"
#include "mesolith/msm/transport.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/kernels.hpp"

using namespace mesolith;
using test::contains_text;

namespace {

Mat3 random_tensor(std::mt19937_64& random, double ratio) {
    std::uniform_real_distribution<double> unit(-1, 1);
    Mat3 m;
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) m(a, b) = unit(random);
    const Mat3 turn = Eigen::SelfAdjointEigenSolver<Mat3>(m + m.transpose()).eigenvectors();
    return turn * Vec3(0.02, 0.02 / std::sqrt(ratio), 0.02 / ratio).asDiagonal() * turn.transpose();
}

} // namespace

TEST_CASE("voxels of a continuum have exactly its diffusion tensor, in any orientation and cell", "[meso]") {
    std::mt19937_64 random(4);
    for (const double ratio : {1.0, 10.0, 100.0})
        for (const Cell& voxel : {Cell(10 * Mat3::Identity()),
                                  Cell((Mat3() << 5, 0.7, -0.4, 1.9, 6, 0.3, -1.1, 2.2, 4.5).finished())}) {
            const Mat3 D = random_tensor(random, ratio);
            const Kernel kernel = continuum_kernel(D, voxel);
            check_kernel(kernel);
            REQUIRE(kernel.entries.size() <= 13);
            REQUIRE((exact_transport(kernel).diffusivity - D).cwiseAbs().maxCoeff() < 1e-13 * D.trace());
            double stay = 0;
            for (const KernelEntry& e : kernel.entries)
                if (e.R.isZero()) stay = e.p;
            REQUIRE(stay == Approx(0.5).epsilon(1e-12));
        }
}

TEST_CASE("a continuum that moves along one axis only hops along that axis", "[meso]") {
    const Kernel kernel = continuum_kernel(Vec3(0.04, 0, 0).asDiagonal(), Cell(20 * Mat3::Identity()), 1000);
    REQUIRE(kernel.entries.size() == 3);
    REQUIRE(kernel.entries.front().p == Approx(0.04 * 1000 / 400).epsilon(1e-12)); // 2 D tau = 2 p h^2
    REQUIRE(continuum_kernel(Mat3::Zero(), Cell(), 1).entries.size() == 1);
}

TEST_CASE("a diffusion tensor that is none is refused", "[meso]") {
    const Cell voxel(10 * Mat3::Identity());
    REQUIRE_THROWS_WITH(continuum_kernel(Vec3(1, 1, -0.1).asDiagonal(), voxel),
                        contains_text("negative eigenvalue"));
    Mat3 skew = Mat3::Identity();
    skew(0, 1) = 0.3;
    REQUIRE_THROWS_WITH(continuum_kernel(skew, voxel), contains_text("not symmetric"));
    REQUIRE_THROWS_WITH(continuum_kernel(Mat3::Identity(), voxel, 1000), contains_text("shorter lag"));
}

TEST_CASE("scaled rates keep the stationary distribution and scale D", "[meso]") {
    const Kernel kernel = test::random_reversible(5, 3);
    for (const double factor : {0.25, 1.0, 1.4}) {
        const Kernel scaled = scaled_kernel(kernel, factor);
        check_kernel(scaled);
        REQUIRE(scaled.stationary == kernel.stationary);
        const Mat3 expected = factor * exact_transport(kernel).diffusivity;
        REQUIRE((exact_transport(scaled).diffusivity - expected).cwiseAbs().maxCoeff() <
                1e-13 * expected.trace());
    }
    const Kernel shorter = kernel_at_lag(kernel, 0.5);
    REQUIRE(shorter.lag_time == 0.5);
    REQUIRE(
        (exact_transport(shorter).diffusivity - exact_transport(kernel).diffusivity).cwiseAbs().maxCoeff() <
        1e-12);
    REQUIRE_THROWS_WITH(scaled_kernel(kernel, 1.5), contains_text("probability above 1"));
    REQUIRE(longest_lag(kernel) == Approx(kernel.lag_time / 0.7).epsilon(1e-12));
}

TEST_CASE("cells are numbered x fastest", "[meso]") {
    const Domain domain = crystal_domain(test::simple_cubic(), {3, 4, 5});
    REQUIRE(domain.n_cells() == 60);
    for (std::size_t c = 0; c < 60; ++c) REQUIRE(domain.cell_index(domain.cell_at(c)) == c);
    REQUIRE(domain.cell_index({1, 0, 0}) == 1);
    REQUIRE(domain.crystal());
}

TEST_CASE("a domain that cannot be is refused with the reason", "[meso]") {
    const Domain good = crystal_domain(test::simple_cubic(), {4, 4, 4});
    const auto refused = [&](const std::function<void(Domain&)>& spoil) {
        Domain bad = good;
        spoil(bad);
        try {
            check_domain(bad);
        } catch (const DataError& e) {
            return std::string(e.what());
        }
        return std::string("accepted");
    };
    CHECK_THAT(refused([](Domain& d) {
                   d.materials.push_back({"b", test::alternating_chain(), 1});
               }),
               contains_text("\"b\"") && contains_text("2 sites per cell"));
    CHECK_THAT(refused([](Domain& d) {
                   d.materials.push_back({"b", test::simple_cubic(4), 1});
               }),
               contains_text("cell differs"));
    CHECK_THAT(refused([](Domain& d) {
                   d.materials.push_back({"b", test::simple_cubic(3, 0.4, 2), 1});
               }),
               contains_text("lag time"));
    CHECK_THAT(refused([](Domain& d) { d.materials[0].weight = 0; }), contains_text("weight 0"));
    CHECK_THAT(refused([](Domain& d) { d.faces[1][0].kind = FaceKind::reservoir; }),
               contains_text("a_2") && contains_text("opposite one is not"));
    CHECK_THAT(refused([](Domain& d) { d.region.assign(7, 0); }), contains_text("7 labels for 64 cells"));
    CHECK_THAT(refused([](Domain& d) { d.region.assign(64, 1); }), contains_text("label 1 without a region"));
    CHECK_THAT(refused([](Domain& d) { d.faces[0][0].concentration = -1; }), contains_text("concentration"));
    CHECK_THAT(refused([](Domain& d) { d.interface_resistance = -1; }), contains_text("resistance"));
    CHECK_THAT(refused([](Domain& d) {
                   d.materials[0].kernel = test::random_nonreversible(4, 1);
                   d.faces[0][0].kind = d.faces[0][1].kind = FaceKind::reflecting;
               }),
               contains_text("without detailed balance"));
    REQUIRE_THROWS_AS(crystal_domain(test::simple_cubic(), {0, 1, 1}), DataError);
}
