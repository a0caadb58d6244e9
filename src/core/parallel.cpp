#include "mesolith/core/parallel.hpp"

#include <omp.h>

namespace mesolith {

namespace {
int n_threads = 0;
}

void set_threads(int n) { n_threads = std::max(n, 0); }
int threads() { return n_threads > 0 ? n_threads : omp_get_max_threads(); }

ThreadsForScope::ThreadsForScope(int n) : old_(n_threads) { set_threads(n); }
ThreadsForScope::~ThreadsForScope() { n_threads = old_; }

} // namespace mesolith
