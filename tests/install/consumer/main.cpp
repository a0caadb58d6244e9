#include <cstdio>

#include <mesolith/core/version.hpp>
#include <mesolith/crystal/cell.hpp>

int main() {
    const mesolith::Cell cell(mesolith::Vec3(2, 3, 4).asDiagonal().toDenseMatrix());
    std::printf("mesolith %s, volume %g\n", mesolith::version().c_str(), cell.volume());
}
