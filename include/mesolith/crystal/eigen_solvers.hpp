#pragma once
#include <Eigen/Eigenvalues>

/// The eigenvalue solvers that several modules use, compiled once (src/crystal/eigen_solvers.cpp): each takes
/// the compiler ten seconds and more.
extern template class Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>;
extern template class Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
extern template class Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd>;
extern template class Eigen::ComplexEigenSolver<Eigen::MatrixXcd>;
extern template class Eigen::EigenSolver<Eigen::MatrixXd>;
