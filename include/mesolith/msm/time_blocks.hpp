#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/core/random.hpp"

namespace mesolith {

/// A stretch of one trajectory. A lag window belongs to the block in which it starts.
struct TimeBlock {
    std::size_t trajectory = 0;
    std::int64_t begin = 0, end = 0; ///< frames
};

/// Cut trajectories into blocks of `block_frames`; a remainder shorter than half a block joins the one before
/// it. All ions of a block stay together: they are correlated (they push each other), time blocks much less
/// so.
/// @throws DataError when block_frames < 1 or a trajectory is empty
[[nodiscard]] std::vector<TimeBlock> cut_into_blocks(std::span<const std::int64_t> n_frames,
                                                     std::int64_t block_frames);

/// Weights of the Bayesian bootstrap (D. B. Rubin, Ann. Stat. 9, 130 (1981)): independent Exp(1) variates,
/// scaled to mean 1. Every block keeps a positive weight, so that a resampled count matrix has the
/// connectivity of the original. A pure function of (seed, sample).
[[nodiscard]] std::vector<double> bootstrap_weights(std::size_t n_blocks, std::uint64_t seed,
                                                    std::uint32_t sample);

/// Weights of K blocks scatter a mean of K independent blocks by sqrt((K - 1)/(K + 1)) of its standard error:
/// the factor that makes good for it. Infinite for fewer than two blocks.
[[nodiscard]] double bootstrap_scale(std::size_t n_blocks);

/// Half width, in standard errors, of the interval that holds the truth with probability `level`: Student's t
/// with n_blocks - 1 degrees of freedom, since the error itself comes from n_blocks blocks.
/// @throws DataError unless 0 < level < 1 and n_blocks >= 2
[[nodiscard]] double interval_factor(double level, std::size_t n_blocks);

/// A number with its standard error.
struct Estimate {
    double value = 0;
    double error = 0; ///< one standard error; NaN when it could not be found
};

/// Standard deviation of resampled values (n - 1 in the denominator); infinite values are left out, NaN when
/// < 2 are left.
[[nodiscard]] double standard_deviation(std::span<const double> samples);

} // namespace mesolith
