#include "mesolith/msm/modes.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/QR>

#include "mesolith/core/error.hpp"
#include "mesolith/core/nan.hpp"
#include "mesolith/msm/transport.hpp"

#include "bloch.hpp"

namespace mesolith {

namespace {

using Complex = std::complex<double>;

/// Orthonormal basis of the scaled right eigenvectors of a group.
Eigen::MatrixXcd basis_of(const SiteSpectrum& s, const ModeGroup& group) {
    Eigen::MatrixXcd basis(s.right.rows(), static_cast<Eigen::Index>(group.size()));
    for (std::size_t k = 0; k < group.size(); ++k)
        for (Eigen::Index j = 0; j < s.right.rows(); ++j)
            basis(j, static_cast<Eigen::Index>(k)) =
                s.stationary[j] > 0
                    ? s.right(j, static_cast<Eigen::Index>(group.members[k])) / std::sqrt(s.stationary[j])
                    : Complex(0);
    const Eigen::HouseholderQR<Eigen::MatrixXcd> qr(basis);
    return qr.householderQ() * Eigen::MatrixXcd::Identity(basis.rows(), basis.cols());
}

struct Pair {
    std::size_t reference, other;
    double overlap; // |U^H V|_F^2
    double share;   // of the smaller one
};

std::vector<ModePartner> partners(const std::vector<Eigen::MatrixXcd>& reference,
                                  const SiteSpectrum& spectrum, double min_overlap) {
    std::vector<Eigen::MatrixXcd> other;
    for (const ModeGroup& group : spectrum.groups) other.push_back(basis_of(spectrum, group));
    std::vector<Pair> pairs;
    for (std::size_t g = 0; g < reference.size(); ++g)
        for (std::size_t h = 0; h < other.size(); ++h) {
            const double overlap = (reference[g].adjoint() * other[h]).squaredNorm();
            const double share =
                overlap / static_cast<double>(std::min(reference[g].cols(), other[h].cols()));
            if (share >= min_overlap) pairs.push_back({g, h, overlap, share});
        }
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return a.share > b.share; });
    std::vector<Eigen::Index> left_of_reference, left_of_other;
    for (const auto& u : reference) left_of_reference.push_back(u.cols());
    for (const auto& v : other) left_of_other.push_back(v.cols());
    std::vector<ModePartner> partner(reference.size());
    std::vector<double> modulus(reference.size(), 0.0);
    for (const Pair& p : pairs) {
        const Eigen::Index given = std::min(left_of_reference[p.reference], left_of_other[p.other]);
        if (given == 0) continue;
        left_of_reference[p.reference] -= given;
        left_of_other[p.other] -= given;
        partner[p.reference].groups.push_back(p.other);
        partner[p.reference].overlap += p.overlap;
        modulus[p.reference] += p.overlap * std::abs(spectrum.groups[p.other].eigenvalue);
    }
    for (std::size_t g = 0; g < partner.size(); ++g) {
        partner[g].timescale = partner[g].groups.empty()
                                   ? nan_value
                                   : timescale(modulus[g] / partner[g].overlap, spectrum.lag_time);
        partner[g].overlap = std::min(partner[g].overlap / static_cast<double>(reference[g].cols()), 1.0);
    }
    return partner;
}

/// Share of the variance of the left vectors of a group between the means over sets of sites (-1: in none).
double between_sets(const SiteSpectrum& s, const ModeGroup& group, const std::vector<std::int32_t>& set_of) {
    std::int32_t n_sets = 0;
    for (const std::int32_t set : set_of) n_sets = std::max(n_sets, set + 1);
    double share = 0;
    for (const std::size_t m : group.members) {
        const Eigen::VectorXcd left = s.left.col(static_cast<Eigen::Index>(m));
        Eigen::VectorXcd sum = Eigen::VectorXcd::Zero(n_sets);
        Eigen::VectorXd weight = Eigen::VectorXd::Zero(n_sets);
        double total = 0;
        for (Eigen::Index j = 0; j < left.size(); ++j) {
            total += s.stationary[j] * std::norm(left[j]);
            const std::int32_t set = set_of[static_cast<std::size_t>(j)];
            if (set < 0) continue;
            sum[set] += s.stationary[j] * left[j];
            weight[set] += s.stationary[j];
        }
        double between = 0;
        for (std::int32_t k = 0; k < n_sets; ++k)
            if (weight[k] > 0) between += std::norm(sum[k]) / weight[k];
        if (n_sets > 1 && total > 0) share += between / total;
    }
    return share / static_cast<double>(group.size());
}

/// Mean displacements out of (a) and, weighted by pi, into (c) each site.
struct Drifts {
    Eigen::Matrix<double, Eigen::Dynamic, 3> a, c;
};
Drifts drifts_of(const Kernel& kernel) {
    const auto n = static_cast<Eigen::Index>(kernel.n_sites());
    Drifts drifts{Eigen::Matrix<double, Eigen::Dynamic, 3>::Zero(n, 3),
                  Eigen::Matrix<double, Eigen::Dynamic, 3>::Zero(n, 3)};
    for (std::size_t j = 0; j < kernel.n_sites(); ++j)
        for (const KernelEntry& e : kernel.from(j)) {
            const Eigen::RowVector3d d = e.p * kernel.displacement(j, e).transpose();
            drifts.a.row(static_cast<Eigen::Index>(j)) += d;
            drifts.c.row(e.to) += kernel.stationary[j] * d;
        }
    return drifts;
}

ModeKind kind_of(const ModeAnalysis& mode, double n_occupied, const Channels& all) {
    const std::vector<Channel>& channels = all.channels;
    const bool fills =
        mode.channel >= 0 && mode.channel_weight >= 0.5 &&
        mode.participation >=
            0.5 * static_cast<double>(channels[static_cast<std::size_t>(mode.channel)].sites.size());
    if (std::abs(1.0 - mode.eigenvalue) <= 1e-12) return ModeKind::stationary;
    if (mode.channel_exchange >= 0.5) return ModeKind::channel_exchange;
    // A hair above 2: a mode of two sites has participation 2 only up to rounding and faint tails.
    if (mode.participation <= std::max(2.01, n_occupied / 4) && !fills) return ModeKind::localised;
    if (mode.orbit_exchange >= 0.5) return ModeKind::orbit_exchange;
    return fills ? ModeKind::channel : ModeKind::mixed;
}

} // namespace

std::vector<FollowedModes> follow_modes(const SiteSpectrum& reference,
                                        const std::vector<SiteSpectrum>& others, double min_overlap) {
    if (!(min_overlap >= 0.5 && min_overlap <= 1))
        throw DataError("the smallest overlap of modes that belong together must lie in [1/2, 1] (a smaller "
                        "one would fit two partners)");
    std::vector<Eigen::MatrixXcd> basis;
    std::vector<FollowedModes> followed;
    for (std::size_t g = 0; g < reference.groups.size(); ++g) {
        basis.push_back(basis_of(reference, reference.groups[g]));
        followed.push_back({g, {}});
    }
    for (const SiteSpectrum& other : others) {
        if (other.right.rows() != reference.right.rows() || !same_wave_vector(other.kappa, reference.kappa))
            throw DataError("modes can be followed between spectra of the same sites and wave vector only");
        const std::vector<ModePartner> found = partners(basis, other, min_overlap);
        for (std::size_t g = 0; g < found.size(); ++g) followed[g].partner.push_back(found[g]);
    }
    return followed;
}

std::string to_string(ModeKind kind) {
    switch (kind) {
    case ModeKind::stationary:
        return "stationary";
    case ModeKind::channel_exchange:
        return "channel_exchange";
    case ModeKind::localised:
        return "localised";
    case ModeKind::orbit_exchange:
        return "orbit_exchange";
    case ModeKind::channel:
        return "channel";
    case ModeKind::mixed:
        break;
    }
    return "mixed";
}

std::vector<ModeAnalysis> analyse_modes(const Kernel& kernel, const SiteSpectrum& spectrum,
                                        const Channels& all) {
    const std::size_t n = kernel.n_sites();
    if (spectrum.right.rows() != static_cast<Eigen::Index>(n) || kernel.basis.orbit.size() != n)
        throw DataError("kernel, its symmetry orbits and spectrum differ in their number of sites");
    if (!same_wave_vector(spectrum.kappa, Vec3::Zero()))
        throw DataError("modes are analysed at kappa = 0 (elsewhere they carry diffusion)");
    const std::vector<std::int32_t>& orbit = kernel.basis.orbit;
    std::vector<std::int32_t> channel_of(n, -1);
    const std::vector<Channel>& channels = all.channels;
    for (std::size_t c = 0; c < channels.size(); ++c)
        for (const std::int32_t s : channels[c].rank > 0 ? channels[c].sites : std::vector<std::int32_t>{})
            channel_of[static_cast<std::size_t>(s)] = static_cast<std::int32_t>(c);
    double n_occupied = 0;
    for (const double pi : kernel.stationary) n_occupied += pi > 0 ? 1 : 0;
    const Drifts drifts = drifts_of(kernel);
    const Mat3 correlation = exact_transport(kernel).correlation;

    std::vector<ModeAnalysis> result;
    for (std::size_t g = 0; g < spectrum.groups.size(); ++g) {
        const ModeGroup& group = spectrum.groups[g];
        ModeAnalysis mode;
        mode.group = g;
        mode.eigenvalue = group.eigenvalue;
        mode.timescale = timescale(group.eigenvalue, spectrum.lag_time);
        mode.site_weight.assign(n, 0.0);
        double total = 0;
        for (const std::size_t m : group.members) {
            const auto column = static_cast<Eigen::Index>(m);
            for (std::size_t j = 0; j < n; ++j) {
                const auto row = static_cast<Eigen::Index>(j);
                const double weight = std::abs(spectrum.left(row, column) * spectrum.right(row, column));
                mode.site_weight[j] += weight;
                total += weight;
            }
            const Complex lambda = spectrum.eigenvalues[column];
            if (std::abs(1.0 - lambda) <= 1e-12) continue;
            const Eigen::Vector3cd out = drifts.a.transpose() * spectrum.right.col(column);
            const Eigen::RowVector3cd in = spectrum.left.col(column).adjoint() * drifts.c;
            const Mat3 part = (out * in / (1.0 - lambda)).real() / (2 * kernel.lag_time);
            mode.correlation += part + part.transpose();
        }
        double squares = 0;
        mode.orbit_weight.assign(static_cast<std::size_t>(*std::max_element(orbit.begin(), orbit.end()) + 1),
                                 0.0);
        std::vector<double> on_channel(channels.size(), 0.0);
        for (std::size_t j = 0; j < n; ++j) {
            mode.site_weight[j] /= total;
            squares += mode.site_weight[j] * mode.site_weight[j];
            mode.orbit_weight[static_cast<std::size_t>(orbit[j])] += mode.site_weight[j];
            if (channel_of[j] < 0) continue;
            on_channel[static_cast<std::size_t>(channel_of[j])] += mode.site_weight[j];
            mode.channel_weight += mode.site_weight[j];
        }
        mode.participation = 1 / squares;
        for (std::size_t c = 0; c < channels.size(); ++c)
            if (on_channel[c] >
                (mode.channel < 0 ? 0.0 : on_channel[static_cast<std::size_t>(mode.channel)] * (1 + 1e-9)))
                mode.channel = static_cast<std::int32_t>(c);
        mode.orbit_exchange = between_sets(spectrum, group, orbit);
        mode.channel_exchange = between_sets(spectrum, group, channel_of);
        for (int a = 0; a < 3; ++a)
            if (correlation(a, a) != 0) mode.share[a] = mode.correlation(a, a) / correlation(a, a);
        mode.kind = kind_of(mode, n_occupied, all);
        result.push_back(std::move(mode));
    }
    return result;
}

} // namespace mesolith
