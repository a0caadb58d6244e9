#include <limits>

#include "mesolith/core/error.hpp"
#include "mesolith/meso/lattice.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace mesolith;

TEST_CASE("a size in nm, um or cells becomes the nearest whole number of cells", "[meso][lattice]") {
    const Cell cell((Mat3() << 4, 0, 0, 3, 4, 0, 0, 0, 12.5).finished()); // edges 4, 5, 12.5
    CHECK(lattice_cells({10, 10, 10}, LengthUnit::nm, cell) == IVec3(25, 20, 8));
    CHECK(lattice_cells({1.01, 1.01, 1.01}, LengthUnit::nm, cell) == IVec3(3, 2, 1));
    CHECK(lattice_cells({1, 0.5, 0.002}, LengthUnit::um, cell) == IVec3(2500, 1000, 2));
    CHECK(lattice_cells({7, 8.4, 0.1}, LengthUnit::cells, cell) == IVec3(7, 8, 1));
    CHECK(lattice_cells({0.01, 0.01, 0.01}, LengthUnit::nm, cell) == IVec3(1, 1, 1));
}

TEST_CASE("a lattice counts sites in 64 bits and knows the size that whole cells give", "[meso][lattice]") {
    const Kernel kernel = test::random_reversible(26, 1);
    const Lattice lattice = tile(kernel, {2000, 2000, 500});
    CHECK(lattice.n_cells() == 2'000'000'000);
    CHECK(lattice.n_sites() == 52'000'000'000);
    CHECK(lattice.edge_lengths()[1] == Approx(2000 * kernel.basis.cell.vectors().row(1).norm()));
}

TEST_CASE("lattices of no size, of endless size and of a broken kernel are refused", "[meso][lattice]") {
    const Kernel kernel = test::fcc();
    const Cell& cell = kernel.basis.cell;
    CHECK_THROWS_AS(lattice_cells({0, 1, 1}, LengthUnit::nm, cell), DataError);
    CHECK_THROWS_AS(lattice_cells({1, -1, 1}, LengthUnit::cells, cell), DataError);
    CHECK_THROWS_AS(lattice_cells({1, 1, std::numeric_limits<double>::quiet_NaN()}, LengthUnit::um, cell),
                    DataError);
    CHECK_THROWS_AS(lattice_cells({1e12, 1, 1}, LengthUnit::um, cell), DataError);
    CHECK_THROWS_AS(tile(kernel, {1, 0, 1}), DataError);
    CHECK_THROWS_AS(tile(kernel, {1 << 29, 1 << 29, 1 << 29}), DataError);
    Kernel broken = kernel;
    broken.entries[0].p *= 2;
    CHECK_THROWS_AS(tile(broken, {1, 1, 1}), DataError);
}
