#pragma once
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "mesolith/crystal/structure.hpp"

/// Just enough of the POSCAR format (version 5, scale 1, direct coordinates) for inputs/structures.
inline mesolith::Structure read_test_poscar(const std::string& name) {
    std::ifstream file(std::string(MESOLITH_SOURCE_DIR) + "/inputs/structures/" + name + ".POSCAR");
    std::string line, word;
    mesolith::Mat3 rows;
    double scale = 0;
    std::getline(file, line);
    file >> scale;
    for (int i = 0; i < 9; ++i) file >> rows(i / 3, i % 3);
    std::getline(file, line);
    std::getline(file, line);
    mesolith::Structure structure{mesolith::Cell(scale * rows), {}, {}};
    std::istringstream symbols(line);
    while (symbols >> word) {
        std::size_t count = 0;
        file >> count;
        structure.species.insert(structure.species.end(), count, word);
    }
    file >> word;
    if (!file || word != "Direct") throw std::runtime_error("cannot read the test structure " + name);
    structure.fractional.resize(structure.size());
    for (mesolith::Vec3& f : structure.fractional) {
        file >> f[0] >> f[1] >> f[2];
        std::getline(file, line);
    }
    return structure;
}
