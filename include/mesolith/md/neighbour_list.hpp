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
/// by half of it or the cell changed (Verlet, Phys. Rev. 159, 98 (1967)); the neighbours of each atom are in
/// the order of (atom, shift), shifts counted from the positions as given, in any image, so that what
/// update() gives depends on its arguments alone, not on the list's age. Opposite vectors are exactly so.
/// Cost of a search O(N (cutoff + skin)^3 density), of an update in between O(pairs). One thread.
class NeighbourList {
public:
    /// @throws DataError when cutoff <= 1e-6 or skin < 0 or one is not finite
    explicit NeighbourList(double cutoff, double skin = 1.0);

    /// After an error the list is empty.
    /// @throws DataError when a position is not finite or a million cells away, when two atoms lie on each
    /// other (nearer than 1e-6 A), or when the cell is so small that an atom has over 100 000 neighbours
    void update(const Cell& cell, std::span<const Vec3> positions);

    std::span<const Neighbour> of(std::size_t atom) const {
        return {neighbours_.data() + first_[atom], first_[atom + 1] - first_[atom]};
    }
    std::size_t n_atoms() const { return first_.size() - 1; }
    std::size_t n_pairs() const { return first_.back(); } ///< directed
    double cutoff() const { return cutoff_; }
    std::int64_t n_searches() const { return n_searches_; }

private:
    struct Candidate {
        std::uint32_t atom;
        IVec3 shift;
        Vec3 offset; // shift^T A
    };
    bool search_holds(const Cell& cell, std::span<const Vec3> positions) const;
    void search(const Cell& cell, std::span<const Vec3> positions);
    void filter(std::span<const Vec3> positions);
    void refuse_collision() const;

    double cutoff_, skin_;
    Cell cell_;                  // of the last search
    std::vector<Vec3> searched_; // positions then
    std::vector<std::size_t> candidate_first_{0};
    std::vector<Candidate> candidates_; // within cutoff + skin
    std::vector<std::size_t> first_{0};
    std::vector<Neighbour> neighbours_; // room for all candidates and one more; those of now come first
    std::int64_t n_searches_ = 0;
};

} // namespace mesolith
