#include "mesolith/crystal/eigen_solvers.hpp"

template class Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>;
template class Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
template class Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd>;
template class Eigen::ComplexEigenSolver<Eigen::MatrixXcd>;
template class Eigen::EigenSolver<Eigen::MatrixXd>;
