#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesolith/md/force_field.hpp"

namespace mesolith {

/// Atoms in motion at the end of a step.
struct MdState {
    Cell cell;
    std::vector<int> numbers;                           ///< [N], atomic numbers
    std::vector<double> masses;                         ///< [N], [u]
    std::vector<Vec3> positions;                        ///< [N], continuous: never wrapped [A]
    std::vector<Vec3> velocities;                       ///< [N], [A/ps]
    std::vector<double> chain_position, chain_velocity; ///< of the Nose-Hoover chain, [1], [1/ps]
    double bath_heat = 0;  ///< given to the atoms by Langevin noise and friction [eV]
    std::int64_t step = 0; ///< since the velocities were drawn

    std::size_t size() const { return positions.size(); }
};

/// Standard weights, positions of the crystal, no motion. @throws DataError for an unknown element
[[nodiscard]] MdState make_md_state(const Cell& cell, std::vector<int> numbers, std::vector<Vec3> positions);

[[nodiscard]] double kinetic_energy(const MdState& state); ///< [eV]
[[nodiscard]] Vec3 momentum(const MdState& state);         ///< [u A/ps]
/// 2 E_kin / (3 N k_B): what Langevin dynamics, which moves the centre of mass as well, holds. Of motion
/// without it (nve, nose_hoover) 3 N - 3 degrees of freedom count.
[[nodiscard]] double temperature(const MdState& state, bool centre_moves);

/// Maxwell-Boltzmann, centre of mass at rest, scaled to exactly this temperature of 3 N - 3 degrees of
/// freedom. Drawn from (seed, md_velocity, replica): the same on any machine.
void draw_velocities(MdState& state, double kelvin, std::uint64_t seed, std::uint64_t replica);

enum class MdEnsemble {
    nve,         ///< velocity Verlet (Swope et al., J. Chem. Phys. 76, 637 (1982))
    langevin,    ///< BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34)
    nose_hoover, ///< chain of three, Suzuki-Yoshida steps (Martyna et al., Mol. Phys. 87, 1117 (1996))
};

struct MdOptions {
    MdEnsemble ensemble = MdEnsemble::langevin;
    double timestep = 0.0005;   ///< [ps]
    double temperature = 300;   ///< [K]
    double friction = 1;        ///< of Langevin [1/ps]
    double period = 0.1;        ///< of the Nose-Hoover chain [ps]
    std::uint64_t seed = 1;     ///< of the noise
    std::uint64_t replica = 0;  ///< replicas have noise of their own
    double largest_force = 100; ///< [eV/A]; beyond it the run has gone wrong
    /// So many times the temperature, and 1000 K more, mean the same.
    double runaway = 5;
};

/// One replica. The state at step n is a function of the state at the begin, the options and the force
/// field, bit by bit, also when it is stored and continued in between.
class Dynamics {
public:
    /// @throws DataError when an option or the state is out of range
    Dynamics(std::unique_ptr<ForceField> field, MdState state, const MdOptions& options);

    /// @throws DataError naming step, atom and distance when a force is not finite or too large, or the
    /// temperature runs away: the state is that of the failed step
    void run(std::int64_t n_steps);

    const MdState& state() const { return state_; }
    const Forces& forces() const { return forces_; } ///< at the end of the last step
    double temperature() const;                      ///< now [K]
    /// Constant but for the error of the time step: total energy; less the heat of the bath (langevin); with
    /// that of the chain (nose_hoover) [eV].
    double conserved_energy() const;

private:
    friend class DynamicsGroup;
    Dynamics(MdState state, const MdOptions& options); // forces come from the group
    void begin_step();                                 // up to the new positions
    void check_forces() const;
    void end_step(); // with the forces there
    void evaluate();
    void kick(double dt);
    void drift(double dt);
    void langevin_noise();
    void chain_half_step();
    void check_temperature() const;
    [[noreturn]] void fail_at(std::size_t atom) const;

    std::unique_ptr<ForceField> field_;
    MdState state_;
    MdOptions options_;
    Forces forces_;
};

/// Replicas in step with each other, their forces evaluated together: ForceField::evaluate_batch(). With a
/// force field that takes one after the other each has the bits of Dynamics. One that fails stops where it
/// is, the others go on.
class DynamicsGroup {
public:
    /// @param failures  of replicas that failed before, "" for the others; none: nobody did
    /// @throws DataError when an option or a state is out of range, or the lengths differ
    DynamicsGroup(std::unique_ptr<ForceField> field, std::vector<MdState> states,
                  std::span<const MdOptions> options, std::vector<std::string> failures = {});

    void run(std::int64_t n_steps);

    std::size_t size() const { return replicas_.size(); }
    std::size_t n_alive() const;
    bool alive(std::size_t k) const { return failures_[k].empty(); }
    /// What Dynamics::run() would have thrown, or the force field, with the step; "" for those that go on.
    const std::vector<std::string>& failures() const { return failures_; }
    const Dynamics& operator[](std::size_t k) const { return replicas_[k]; }

private:
    void evaluate();
    template <class F>
    void for_alive(F&& f);

    std::unique_ptr<ForceField> field_;
    std::vector<Dynamics> replicas_;
    std::vector<std::string> failures_;
    std::vector<AtomsView> views_;
    std::vector<Forces> results_;
};

} // namespace mesolith
