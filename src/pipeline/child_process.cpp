#include "child_process.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/core/error.hpp"
#include "mesolith/io/file.hpp"

extern char** environ;

namespace mesolith {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    return out;
}

int status_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

} // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command, const std::string& log,
                           const std::vector<std::string>& environment) {
    std::vector<char*> argv = pointers(command), env = pointers(environment);
    argv.push_back(nullptr);
    for (char** e = environ; *e != nullptr; ++e) env.push_back(*e);
    env.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    const int failed = posix_spawn(&id_, argv[0], &actions, &attributes, argv.data(), env.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == 0) return;
    id_ = -1;
    throw FileError(fmt::format("{}: cannot be started ({}). Check the program and the folder of {}",
                                command[0], describe_errno(failed), log));
}

ChildProcess::~ChildProcess() {
    if (id_ < 0) return;
    ::kill(id_, SIGKILL);
    int status = 0;
    while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
}

std::optional<int> ChildProcess::poll() {
    int status = 0;
    pid_t done = 0;
    while ((done = waitpid(id_, &status, WNOHANG)) < 0 && errno == EINTR) {
    }
    if (done == 0) return std::nullopt;
    id_ = -1;
    return done < 0 ? 127 : status_of(status);
}

void ChildProcess::send(int signal) const {
    if (id_ > 0) ::kill(id_, signal);
}

} // namespace mesolith
