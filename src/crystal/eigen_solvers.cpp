#include "mesolith/crystal/eigen_solvers.hpp"

MESOLITH_EIGEN_SOLVERS()
