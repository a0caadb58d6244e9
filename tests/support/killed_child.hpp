#pragma once
// A process that is killed in the middle of its work.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>

#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"

namespace mesolith::test {

/// work(tell) in a child, killed within 20 ms, of its first word when that is waited for. Gives the last
/// number that it told; 0: none.
template <class Work>
std::uint64_t last_word_of_killed(Work&& work, bool wait_for_word, std::mt19937& random) {
    std::cout.flush();
    std::fflush(stdout);
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::close(ends[0]);
        work([&](std::uint64_t word) {
            if (::write(ends[1], &word, sizeof word) != sizeof word) std::_Exit(1);
        });
        std::_Exit(0);
    }
    ::close(ends[1]);
    std::uint64_t last = 0, word = 0;
    const auto listen = [&] {
        if (::read(ends[0], &word, sizeof word) != sizeof word) return false;
        last = word;
        return true;
    };
    if (wait_for_word) listen();
    usleep(static_cast<useconds_t>(random() % 20'000));
    ::kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    while (listen()) {
    }
    ::close(ends[0]);
    REQUIRE(WIFSIGNALED(status)); // it did not stop by an error of its own
    return last;
}

} // namespace mesolith::test
