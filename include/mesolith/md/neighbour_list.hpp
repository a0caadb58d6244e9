#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "mesolith/crystal/cell.hpp"

namespace mesolith {

/// Atom `atom` + `shift` cells is a neighbour: vector = x[atom] + shift^T A - x[i], from atom i to it.
struct Neighbour {
    std::uint32_t atom = 0;
    IVec3 shift = IVec3::Zero();
    Vec3 vector = Vec3::Zero(); ///< [A], formed in double
    double distance = 0;        ///< [A], < cutoff
};

/// All neighbours of all atoms within a cutoff, both directions, images of an atom itself included, in any
/// periodic cell, also one smaller than the cutoff. Found by cells with a skin and kept until an atom moved
/// by half of it (Verlet, Phys. Rev. 159, 98 (1967)); the neighbours of each atom are in the order of (atom,
/// shift), so that what update() gives depends on its arguments alone, not on the list's age.
/// Cost of a search O(N (cutoff + skin)^3 density), of an update in between O(pairs).
class NeighbourList {
public:
    /// @throws DataError when cutoff <= 0 or skin < 0
    explicit NeighbourList(double cutoff, double skin = 1.0);

    /// @throws DataError when a position is not finite, or two atoms lie on each other
    void update(const Cell& cell, std::span<const Vec3> positions);

    std::span<const Neighbour> of(std::size_t atom) const {
        return {neighbours_.data() + first_[atom], neighbours_.data() + first_[atom + 1]};
    }
    std::size_t n_atoms() const { return first_.size() - 1; }
    std::size_t n_pairs() const { return neighbours_.size(); } ///< directed
    double cutoff() const { return cutoff_; }
    std::int64_t n_searches() const { return n_searches_; }

private:
    struct Candidate {
        std::uint32_t atom;
        IVec3 shift;
        Vec3 offset; // shift^T A
    };
    void search(const Cell& cell, std::span<const Vec3> positions);

    double cutoff_, skin_;
    Cell cell_;                  // of the last search
    std::vector<Vec3> searched_; // positions then
    std::vector<std::size_t> candidate_first_;
    std::vector<Candidate> candidates_; // within cutoff + skin
    std::vector<std::size_t> first_{0};
    std::vector<Neighbour> neighbours_;
    std::int64_t n_searches_ = 0;
};

} // namespace mesolith
