#pragma once
#include "mesolith/crystal/cell.hpp"

namespace mesolith::test {

/// Cells a hop may lead to.
namespace cells {
inline const IVec3 here = IVec3::Zero(), x = IVec3::UnitX(), y = IVec3::UnitY(), z = IVec3::UnitZ();
}

inline double relative_difference(const Mat3& a, const Mat3& b) { return (a - b).norm() / b.norm(); }

} // namespace mesolith::test
