#include "mesolith/core/interrupt.hpp"

#include <atomic>
#include <csignal>
#include <string>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

std::atomic<int> received_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch lock-free atomics only");

void on_signal(int signal_number) {
    if (received_signal.exchange(signal_number) == 0) return;
    // The second one takes effect as soon as this handler returns, with the status a shell expects.
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
}

} // namespace

void install_interrupt_handler() {
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return received_signal.load(std::memory_order_relaxed) != 0; }

const char* interrupted_by() {
    const int signal_number = received_signal.load(std::memory_order_relaxed);
    return signal_number == 0 ? "" : signal_number == SIGINT ? "Ctrl-C" : "SIGTERM";
}

void throw_if_interrupted() {
    if (!interrupted()) return;
    throw Stopped(std::string("stopped (") + interrupted_by() +
                  "). What was written is complete; run the same command again to go on");
}

void clear_interrupt() { received_signal = 0; }

} // namespace mesolith
