#pragma once

namespace mesolith {

/// From now on Ctrl-C (SIGINT) and SIGTERM only set a flag that long loops ask for at places where all that
/// was written is valid. A second signal ends the program at once.
void install_interrupt_handler();

/// Whether a signal has arrived. Cheap (one relaxed atomic load); may be called from any thread.
[[nodiscard]] bool interrupted();

/// "Ctrl-C" or "SIGTERM" when a signal has arrived, else "".
[[nodiscard]] const char* interrupted_by();

/// @throws Stopped when a signal has arrived; its message names the signal
void throw_if_interrupted();

/// Forget a signal that was dealt with.
void clear_interrupt();

} // namespace mesolith
