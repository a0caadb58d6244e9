#include <csignal>
#include <string>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/core/interrupt.hpp"

#include "support/catch.hpp"

using namespace mesolith;

TEST_CASE("one signal sets the flag and Stopped names it and exits with 75", "[core][interrupt]") {
    install_interrupt_handler();
    clear_interrupt();
    CHECK_FALSE(interrupted());
    CHECK_NOTHROW(throw_if_interrupted());

    for (const auto& [signal_number, name] : {std::pair{SIGINT, "Ctrl-C"}, std::pair{SIGTERM, "SIGTERM"}}) {
        std::raise(signal_number);
        CHECK(interrupted());
        try {
            throw_if_interrupted();
            FAIL("did not throw");
        } catch (const Stopped& stopped) {
            CHECK(std::string(stopped.what()).find(name) != std::string::npos);
            CHECK(stopped.exit_code() == ExitCode::stopped);
        }
        clear_interrupt();
        CHECK_FALSE(interrupted());
    }
}

TEST_CASE("a second signal ends the program at once", "[core][interrupt]") {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        install_interrupt_handler();
        clear_interrupt();
        std::raise(SIGINT);
        if (!interrupted()) _exit(1);
        std::raise(SIGINT);
        _exit(2); // not reached
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGINT);
}
