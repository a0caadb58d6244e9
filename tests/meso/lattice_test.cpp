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

TEST_CASE("sizes of nothing and without end are refused", "[meso][lattice]") {
    const Kernel kernel = test::fcc();
    const Cell& cell = kernel.basis.cell;
    CHECK_THROWS_AS(lattice_cells({0, 1, 1}, LengthUnit::nm, cell), DataError);
    CHECK_THROWS_AS(lattice_cells({1, -1, 1}, LengthUnit::cells, cell), DataError);
    CHECK_THROWS_AS(lattice_cells({1, 1, std::numeric_limits<double>::quiet_NaN()}, LengthUnit::um, cell),
                    DataError);
    CHECK_THROWS_AS(lattice_cells({1e12, 1, 1}, LengthUnit::um, cell), DataError);
}
