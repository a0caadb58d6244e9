#pragma once
#include <Eigen/Eigenvalues>
#include <Eigen/LU>

/// What is dear in the dense solvers that several modules use, compiled once (src/crystal/eigen_solvers.cpp):
/// each takes the compiler ten seconds and more. An argument that is an expression is compiled for itself:
/// hand over a plain matrix.
#define MESOLITH_EIGEN_SOLVERS(prefix)                                                                       \
    MESOLITH_EIGEN_COMPUTE(prefix, SelfAdjointEigenSolver, Matrix3d, int)                                    \
    MESOLITH_EIGEN_COMPUTE(prefix, SelfAdjointEigenSolver, MatrixXd, int)                                    \
    MESOLITH_EIGEN_COMPUTE(prefix, SelfAdjointEigenSolver, MatrixXcd, int)                                   \
    MESOLITH_EIGEN_COMPUTE(prefix, ComplexEigenSolver, MatrixXcd, bool)                                      \
    MESOLITH_EIGEN_COMPUTE(prefix, EigenSolver, MatrixXd, bool)                                              \
    prefix template Eigen::MatrixXcd Eigen::EigenSolver<Eigen::MatrixXd>::eigenvectors() const;              \
    prefix template void Eigen::PartialPivLU<Eigen::MatrixXd>::compute();                                    \
    prefix template void Eigen::PartialPivLU<Eigen::MatrixXcd>::compute();
#define MESOLITH_EIGEN_COMPUTE(prefix, solver, matrix, option)                                               \
    prefix template Eigen::solver<Eigen::matrix>& Eigen::solver<Eigen::matrix>::compute(                     \
        const Eigen::EigenBase<Eigen::matrix>&, option);

MESOLITH_EIGEN_SOLVERS(extern)
