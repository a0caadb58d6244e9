#include <cstdio>

#include <mesolith/config/config.hpp>
#include <mesolith/core/error.hpp>
#include <mesolith/core/version.hpp>
#include <mesolith/crystal/cell.hpp>
#include <mesolith/io/trajectory_file.hpp>

// One call into each part that brings a library of its own: HDF5 and zlib, toml++, Eigen.
int main() {
    const mesolith::Cell cell(mesolith::Vec3(2, 3, 4).asDiagonal().toDenseMatrix());
    std::printf("mesolith %s, volume %g\n", mesolith::version().c_str(), cell.volume());
    try {
        mesolith::parse_config("[run]\nname = ", "none.toml");
    } catch (const mesolith::InputError& error) {
        std::printf("%s\n", error.what());
    }
    try {
        (void)mesolith::open_trajectory("none.h5");
    } catch (const mesolith::InputError& error) {
        std::printf("%s\n", error.what());
    }
}
