#pragma once
// A program that runs beside this one.
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace mesolith {

/// In a process group of its own: Ctrl-C in the terminal reaches this program alone, which passes it on.
class ChildProcess {
public:
    /// Input is empty, output and messages go to `log`, which is replaced.
    /// @param environment  "NAME=value", besides what is inherited
    /// @throws FileError when it cannot be started
    ChildProcess(const std::vector<std::string>& command, const std::string& log,
                 const std::vector<std::string>& environment);
    ~ChildProcess(); ///< killed and waited for when it still runs
    ChildProcess(ChildProcess&& other) noexcept : id_(other.id_) { other.id_ = -1; }
    ChildProcess& operator=(ChildProcess&&) = delete;

    /// Exit status, 128 + signal when it was killed; none while it runs. Call no more once it is there.
    std::optional<int> poll();
    void send(int signal) const;

private:
    pid_t id_ = -1;
};

} // namespace mesolith
