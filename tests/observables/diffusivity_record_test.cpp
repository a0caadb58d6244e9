#include <cmath>
#include <numbers>

#include <Eigen/Geometry>

#include "mesolith/core/error.hpp"
#include "mesolith/observables/diffusivity_record.hpp"

#include "support/catch.hpp"
#include "support/contains_text.hpp"
#include "support/diffusivity_records.hpp"

using namespace mesolith;
using namespace mesolith::test;

namespace {

using units::boltzmann_ev_per_k;
using enum DiffusivityKind;
using enum DiffusivityScalar;

DiffusivityPoint point_of(const Mat3& D) {
    DiffusivityPoint p;
    p.x = 1;
    p.stoichiometry = 0.5;
    p.temperature = 500;
    p.diffusivity = D;
    return p;
}

} // namespace

TEST_CASE("the scalars of a channel crystal are those of the literature", "[observables][record]") {
    const DiffusivityPoint p = point_of(Vec3(0.04, 5e-5, 5e-5).asDiagonal());
    CHECK(std::abs(scalar_of(p, trace).value / 1.3367e-2 - 1) < 1e-3);
    CHECK(std::abs(scalar_of(p, harmonic).value / 7.4953e-5 - 1) < 1e-3);
    CHECK(std::abs(scalar_of(p, self_consistent).value / 1.01e-3 - 1) < 5e-3);
    CHECK(std::abs(scalar_of(p, hs_lower).value / 1.25e-4 - 1) < 5e-3);
    CHECK(std::abs(scalar_of(p, hs_upper).value / 1.00e-2 - 1) < 5e-3);
    CHECK_THROWS_WITH(scalar_of(p, homogenised), contains_text("no homogenised value"));
}

TEST_CASE("errors of scalars are the sum of those of the components", "[observables][record]") {
    const double a = 0.02, b = 0.005, c = 0.001;
    DiffusivityPoint p = point_of(Vec3(a, b, c).asDiagonal());
    CHECK(std::isnan(scalar_of(p, harmonic).error));
    CHECK(std::isnan(p.log10_error()));
    p.error = Vec3(0.1 * a, 0.2 * b, 0.05 * c).asDiagonal();
    // h = 3 / (1/a + 1/b + 1/c): dh/da = h^2 / (3 a^2)
    const double h = 3 / (1 / a + 1 / b + 1 / c);
    const double expected = h * h / 3 * (0.1 / a + 0.2 / b + 0.05 / c);
    CHECK(std::abs(scalar_of(p, harmonic).error / expected - 1) < 1e-5);
    CHECK(std::abs(scalar_of(p, trace).error - (0.1 * a + 0.2 * b + 0.05 * c) / 3) < 1e-12);
    p.mean_error = 1e-4; // axes that do not err together
    CHECK(scalar_of(p, trace).error == 1e-4);
    CHECK(std::abs(p.log10_error() - 1e-4 / (p.mean() * std::numbers::ln10)) < 1e-15);
    p.homogenised = 0.004;
    CHECK(std::abs(scalar_of(p, homogenised).error / (0.004 * 1e-4 / p.mean()) - 1) < 1e-12);
    // An isotropic tensor that errs as a whole: all scalars have its relative error.
    DiffusivityPoint q = point_of(Mat3(Mat3::Identity() * 0.01));
    q.error = Mat3::Identity() * 0.001;
    for (const DiffusivityScalar scalar : {trace, harmonic, self_consistent})
        CHECK(std::abs(scalar_of(q, scalar).error - 0.001) < 1e-7);
}

TEST_CASE("Haven ratio, Theta and stretch scale D and add their errors", "[observables][record]") {
    const DiffusivityRecord tracer = arrhenius_record(DiffusivityKind::tracer, {0.2, 0.6}, {400, 500});
    const DiffusivityRecord jumps = to_jump(tracer, {0.5, 0.1}, "given");
    CHECK(jumps.kind == jump);
    const DiffusivityRecord fick = to_chemical(jumps, ThermodynamicFactor::constant({8, 0.8}, "given"));
    CHECK(fick.kind == chemical);
    for (std::size_t k = 0; k < tracer.points.size(); ++k) {
        const DiffusivityPoint &p = tracer.points[k], &j = jumps.points[k], &f = fick.points[k];
        CHECK(std::abs(j.mean() / p.mean() - 2) < 1e-14);
        CHECK(std::abs(f.mean() / p.mean() - 16) < 1e-13);
        CHECK(std::abs(j.mean_error / j.mean() - std::hypot(0.05, 0.2)) < 1e-14);
        CHECK(std::abs(f.mean_error / f.mean() - std::sqrt(0.05 * 0.05 + 0.2 * 0.2 + 0.1 * 0.1)) < 1e-14);
        CHECK(f.haven == 0.5);
        CHECK(f.theta == 8);
    }
    REQUIRE(fick.provenance.steps.size() == 2);
    CHECK_THAT(fick.provenance.steps[0], contains_text("H = 0.5"));
    const DiffusivityRecord fixed = to_reference_frame(
        fick, [](double x) { return 1 + x; }, "1 + x", 311000);
    CHECK(fixed.frame == VolumeFrame::reference);
    CHECK(fixed.c_max == 311000);
    for (std::size_t k = 0; k < fick.points.size(); ++k) {
        const double squared = std::pow(1 + fick.points[k].x, 2.0 / 3);
        CHECK(std::abs(fixed.points[k].mean() * squared / fick.points[k].mean() - 1) < 1e-14);
        CHECK(std::abs(fixed.points[k].log10_error() - fick.points[k].log10_error()) < 1e-15);
    }
    CHECK_THROWS_WITH(to_chemical(tracer, ThermodynamicFactor::constant({8, 0}, "given")),
                      contains_text("holds the tracer diffusivity, not the jump one"));
    CHECK_THROWS_AS(to_jump(fick, {0.5, 0}, "given"), DataError);
    CHECK_THROWS_AS(to_jump(tracer, {0, 0}, "given"), DataError);
    CHECK_THROWS_AS(to_reference_frame(
                        fixed, [](double) { return 2.; }, "again", 1),
                    DataError);
    CHECK_THROWS_AS(to_reference_frame(
                        fick, [](double) { return 0.; }, "zero", 1),
                    DataError);
    CHECK_THROWS_WITH(to_jump_as_measured(tracer),
                      contains_text("stoichiometry 0.2, 400 K: no measured Haven"));
}

TEST_CASE("points in a two-phase range are left out, and that is said", "[observables][record]") {
    const DiffusivityRecord jumps = arrhenius_record(jump, {0.1, 0.5, 0.9}, {300, 400});
    std::vector<double> s, U; // falls, is flat from 0.3 to 0.7, falls
    for (int k = 0; k <= 100; ++k) {
        s.push_back(0.01 * k);
        U.push_back(0.5 - 0.4 * (s[k] < 0.3 ? s[k] : s[k] < 0.7 ? 0.3 : s[k] - 0.4));
    }
    const DiffusivityRecord fick = to_chemical(jumps, ThermodynamicFactor::from_voltage(s, U, "u.csv"));
    REQUIRE(fick.points.size() == 4);
    CHECK(fick.points[2].stoichiometry == 0.9);
    CHECK(std::abs(fick.points[2].theta - 0.4 * 0.9 / (boltzmann_ev_per_k * 300)) < 1e-9);
    REQUIRE(fick.masked.size() == 1);
    CHECK(std::abs(fick.masked[0].low - 0.3 * 3.75) < 0.04);
    CHECK(std::abs(fick.masked[0].high - 0.7 * 3.75) < 0.04);
    REQUIRE(fick.warnings.size() == 1);
    CHECK_THAT(fick.warnings[0], contains_text("left out: stoichiometry 0.5"));
    CHECK(regular_grid(fick).stoichiometry == std::vector<double>{0.1, 0.9});
    const DiffusivityRecord inside = arrhenius_record(jump, {0.5}, {300});
    CHECK_THROWS_WITH(to_chemical(inside, ThermodynamicFactor::from_voltage(s, U, "u.csv")),
                      contains_text("every value of the record lies in a two-phase range"));
}

TEST_CASE("a grid is found and its first hole is named", "[observables][record]") {
    DiffusivityRecord record = arrhenius_record(chemical, {0.6, 0.4, 0.2}, {340, 300});
    const DiffusivityGrid grid = regular_grid(record);
    CHECK(grid.stoichiometry == std::vector<double>{0.2, 0.4, 0.6});
    CHECK(grid.temperature == std::vector<double>{300, 340});
    for (std::size_t k = 0; k < 6; ++k) {
        CHECK(record.points[k].stoichiometry == grid.stoichiometry[k / 2]);
        CHECK(record.points[k].temperature == grid.temperature[k % 2]);
    }
    record.points.erase(record.points.begin() + 3);
    CHECK_THROWS_WITH(regular_grid(record), contains_text("no value at stoichiometry 0.4, 340 K"));
    record.points.erase(record.points.begin() + 2);
    CHECK(regular_grid(record).stoichiometry.size() == 2);
    record.points.pop_back();
    CHECK_THROWS_WITH(regular_grid(record), contains_text("no value at stoichiometry 0.6, 340 K"));
}

TEST_CASE("one activation energy for all stoichiometries is that of the law, and of equal lines by hand",
          "[observables][record]") {
    const DiffusivityRecord record = arrhenius_record(chemical, {0.2, 0.5, 0.8}, {400, 500, 650});
    const CommonArrhenius fit = common_arrhenius(record, trace, 298.15);
    CHECK(std::abs(fit.energy.value - 0.3) < 1e-12);
    CHECK(fit.extrapolates);
    CHECK(fit.chi_squared < 1e-15);
    for (std::size_t k = 0; k < 3; ++k) {
        const double exact = 10 * (1 + fit.stoichiometry[k]) * std::exp(-0.3 / (boltzmann_ev_per_k * 298.15));
        CHECK(std::abs(fit.value[k].value / exact - 1) < 1e-11);
        // Three lines share the energy: its error is that of one line / sqrt(3).
        const ArrheniusFit one = fit_arrhenius(
            std::vector<ArrheniusPoint>{{400, record.points[0].mean(), 0.05 * record.points[0].mean()},
                                        {500, record.points[1].mean(), 0.05 * record.points[1].mean()},
                                        {650, record.points[2].mean(), 0.05 * record.points[2].mean()}});
        CHECK(std::abs(fit.energy.error * std::sqrt(3.0) / one.energy_error() - 1) < 1e-10);
    }
    CHECK_FALSE(common_arrhenius(record, trace, 450).extrapolates);

    // Two energies: the inverse-variance mean of the lines, and a chi^2 that says so.
    DiffusivityRecord two = arrhenius_record(chemical, {0.2}, {400, 600}, Mat3::Identity(), 0.2, 1);
    const DiffusivityRecord steep = arrhenius_record(chemical, {0.8}, {300, 600}, Mat3::Identity(), 0.4, 1);
    two.points.insert(two.points.end(), steep.points.begin(), steep.points.end());
    const double d1 = 1 / (boltzmann_ev_per_k * 400) - 1 / (boltzmann_ev_per_k * 600),
                 d2 = 1 / (boltzmann_ev_per_k * 300) - 1 / (boltzmann_ev_per_k * 600);
    const CommonArrhenius mixed = common_arrhenius(two, trace, 400);
    CHECK(std::abs(mixed.energy.value - (0.2 * d1 * d1 + 0.4 * d2 * d2) / (d1 * d1 + d2 * d2)) < 1e-12);
    CHECK(mixed.p < 1e-3);
    // Without errors all count the same and none is invented.
    DiffusivityRecord bare = record;
    for (DiffusivityPoint& p : bare.points) {
        p.mean_error = std::nan("");
        p.error.setConstant(std::nan(""));
    }
    const CommonArrhenius unweighted = common_arrhenius(bare, trace, 298.15);
    CHECK(std::abs(unweighted.energy.value - 0.3) < 1e-12);
    CHECK(std::isnan(unweighted.energy.error));
    CHECK(std::isnan(unweighted.value[0].error));
    CHECK_THROWS_WITH(common_arrhenius(arrhenius_record(chemical, {0.2, 0.4}, {300}), trace, 300),
                      contains_text("one temperature"));
}

TEST_CASE("a record at other temperatures follows each principal Arrhenius law, in any orientation",
          "[observables][record]") {
    const Mat3 Q = Eigen::AngleAxisd(0.7, Vec3(1, 2, -1).normalized()).toRotationMatrix();
    const Vec3 energies(0.2, 0.3, 0.45), prefactors(1, 4, 20);
    const auto law = [&](double T) {
        Vec3 values;
        for (int a = 0; a < 3; ++a)
            values[a] = prefactors[a] * std::exp(-energies[a] / (boltzmann_ev_per_k * T));
        return Mat3(Q * values.asDiagonal() * Q.transpose());
    };
    DiffusivityRecord record;
    record.kind = chemical;
    record.x_max = 1;
    for (const double T : {450., 600., 800.}) {
        DiffusivityPoint p;
        p.stoichiometry = 0.3;
        p.temperature = T;
        const Mat3 D = law(T);
        p.diffusivity = (D + D.transpose()) / 2;
        p.mean_error = 0.02 * p.mean();
        record.points.push_back(p);
    }
    complete_record(record);
    const DiffusivityRecord other = at_temperatures(record, {300, 600, 700});
    REQUIRE(other.points.size() == 3);
    CHECK((other.points[0].diffusivity - law(300)).norm() < 1e-10 * law(300).norm());
    CHECK((other.points[2].diffusivity - law(700)).norm() < 1e-10 * law(700).norm());
    CHECK(same_bits(other.points[1], record.points[1])); // data are kept
    CHECK(other.points[0].extrapolated);
    CHECK_FALSE(other.points[2].extrapolated);
    CHECK(other.points[0].mean_error / other.points[0].mean() > 0.02);
    CHECK(other.valid_temperature == ValueRange{450, 800});
    REQUIRE(other.warnings.size() == 1);
    CHECK_THAT(other.warnings[0], contains_text("extrapolated to 300 K"));
    // Of a diagonal tensor the fit of each axis by itself, and the error of the line of its mean.
    const DiffusivityRecord plain = arrhenius_record(chemical, {0.2}, {400, 500, 650});
    const DiffusivityRecord at = at_temperatures(plain, {298.15});
    std::vector<ArrheniusPoint> points;
    for (const DiffusivityPoint& p : plain.points) points.push_back({p.temperature, p.mean(), p.mean_error});
    const ArrheniusFit line = fit_arrhenius(points);
    CHECK(std::abs(std::log(at.points[0].mean()) - line.log_at(298.15)) < 1e-11);
    CHECK(std::abs(at.points[0].mean_error / at.points[0].mean() / line.log_error_at(298.15) - 1) < 1e-12);
    CHECK(at.points[0].diffusivity(0, 1) == 0);
    CHECK_THROWS_WITH(at_temperatures(arrhenius_record(chemical, {0.2}, {400}), {300}),
                      contains_text("stoichiometry 0.2: 1 temperature"));
    CHECK_THROWS_AS(at_temperatures(plain, {-3}), DataError);
    CHECK_THROWS_AS(
        at_temperatures(arrhenius_record(chemical, {0.2}, {400, 500}, Mat3(Vec3(3, 0, 0).asDiagonal())),
                        {300}),
        DataError);
}

TEST_CASE("records that make no sense are refused with the point named", "[observables][record][bad]") {
    const auto broken = [](auto&& change) {
        DiffusivityRecord record = arrhenius_record(chemical, {0.2, 0.4}, {300, 400});
        change(record);
        return record;
    };
    const auto complaint = [&](auto&& change) {
        try {
            check_record(broken(change));
        } catch (const DataError& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    CHECK(complaint([](auto&) {}) == "none");
    CHECK_THAT(complaint([](auto& r) { r.points[1].diffusivity *= 1e8; }),
               contains_text("stoichiometry 0.2, 400 K: D = "));
    CHECK_THAT(complaint([](auto& r) { r.points[1].diffusivity = Mat3::Identity() * 10.001; }),
               contains_text("m^2/s is more than 1e-07 m^2/s (a wrong unit?"));
    CHECK(complaint([](auto& r) { r.points[1].diffusivity = Mat3::Identity() * 10; }) == "none");
    CHECK_THAT(complaint([](auto& r) { r.points[0].diffusivity(0, 1) = 1; }), contains_text("not symmetric"));
    CHECK_THAT(complaint([](auto& r) { r.points[0].diffusivity(0, 0) *= -1; }),
               contains_text("negative eigenvalue"));
    CHECK_THAT(complaint([](auto& r) { r.points[0].diffusivity.setZero(); }), contains_text("D is zero"));
    CHECK_THAT(complaint([](auto& r) { r.points[0].temperature = 0; }), contains_text("Give kelvin"));
    CHECK_THAT(complaint([](auto& r) { r.points[0].x = 2; }),
               contains_text("is not stoichiometry times x_max"));
    CHECK_THAT(complaint([](auto& r) { r.points[0].mean_error = -1; }), contains_text("negative error"));
    CHECK_THAT(complaint([](auto& r) { r.points[1].temperature = 300; }),
               contains_text("stoichiometry 0.2, 300 K: two values"));
    CHECK_THAT(complaint([](auto& r) { std::swap(r.points[0], r.points[3]); }),
               contains_text("points ascend"));
    CHECK_THAT(complaint([](auto& r) {
                   r.masked = {{0.5, 1}};
               }),
               contains_text("two-phase range from x = 0.5"));
    CHECK_THAT(complaint([](auto& r) { r.masked = {{2, 2.5}, {1, 1.2}}; }), contains_text("do not ascend"));
    CHECK_THAT(complaint([](auto& r) { r.x_max = std::nan(""); }), contains_text("x_max is not known"));
    CHECK_THAT(complaint([](auto& r) { r.c_max = 0; }), contains_text("c_max"));
    CHECK_THAT(complaint([](auto& r) { r.points.clear(); }), contains_text("no diffusivity"));
    CHECK_THROWS_WITH(diffusivity_kind("tracers"), contains_text("known: tracer, jump, chemical"));
    CHECK_THROWS_AS(volume_frame("x"), DataError);
    CHECK_THROWS_AS(diffusivity_scalar("x"), DataError);
}
