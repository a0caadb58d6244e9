#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesolith/core/program.hpp"
#include "mesolith/pipeline/stages.hpp"

extern char** environ;

// Both are set by CMake; a program built otherwise looks beside itself and on the PATH.
#ifndef MESOLITH_PYTHON_PROGRAM
#define MESOLITH_PYTHON_PROGRAM ""
#endif
#ifndef MESOLITH_PYTHON_FOLDER
#define MESOLITH_PYTHON_FOLDER ""
#endif

namespace mesolith {
namespace {

namespace fs = std::filesystem;

/// Exit status of a program; 127 when it cannot be started. Only what it says on standard error is shown, and
/// that only unless `quiet`.
int run_program(const std::vector<std::string>& arguments, const std::string& python_path, bool quiet) {
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    const char* inherited = std::getenv("PYTHONPATH");
    const std::string path = "PYTHONPATH=" + python_path +
                             (inherited != nullptr && *inherited != 0 ? std::string(":") + inherited : "");
    const std::string no_cache = "PYTHONDONTWRITEBYTECODE=1";
    std::vector<char*> environment;
    for (char** e = environ; *e != nullptr; ++e)
        if (std::strncmp(*e, "PYTHONPATH=", 11) != 0) environment.push_back(*e);
    environment.push_back(const_cast<char*>(path.c_str()));
    environment.push_back(const_cast<char*>(no_cache.c_str()));
    environment.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (quiet) posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int failed = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return 127;
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The folder that holds the package mesolith_report: of the installed program, else of the sources.
std::string package_folder() {
    const fs::path program = program_path();
    std::vector<fs::path> candidates;
    if (!program.empty())
        candidates.push_back(program.parent_path().parent_path() / "share" / "mesolith" / "python");
    candidates.emplace_back(MESOLITH_PYTHON_FOLDER);
    for (const fs::path& folder : candidates)
        if (!folder.empty() && fs::exists(folder / "mesolith_report" / "__main__.py")) return folder.string();
    return "";
}

/// The first Python that has what the report needs; of the user's choice if there is one.
std::string find_python() {
    std::vector<std::string> candidates{MESOLITH_PYTHON_PROGRAM, "python3"};
    if (const char* wanted = std::getenv("MESOLITH_PYTHON"); wanted != nullptr && *wanted != 0)
        candidates = {wanted};
    for (const std::string& python : candidates) {
        if (python.empty()) continue;
        const std::string probe =
            "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in "
            "('numpy', 'h5py', 'matplotlib')))";
        if (run_program({python, "-c", probe}, "", true) == 0) return python;
    }
    return "";
}

} // namespace

ReportOutcome run_report(const std::string& folder) {
    const std::string package = package_folder();
    if (package.empty()) {
        spdlog::warn("no report: the Python package mesolith_report was not found beside the program. "
                     "Install mesolith, or "
                     "run PYTHONPATH=SOURCES/tools python3 -m mesolith_report {}",
                     folder);
        return ReportOutcome::no_python;
    }
    const std::string python = find_python();
    if (python.empty()) {
        spdlog::warn("no report: it needs Python with numpy, h5py and matplotlib (on Debian: apt-get install "
                     "python3-numpy "
                     "python3-h5py python3-matplotlib; or set MESOLITH_PYTHON to a Python that has them). "
                     "All numbers are "
                     "in {}",
                     folder);
        return ReportOutcome::no_python;
    }
    const int status = run_program({python, "-m", "mesolith_report", folder}, package, false);
    if (status != 0) {
        spdlog::warn("no report: {} -m mesolith_report ended with status {} (its message stands above). All "
                     "numbers are in "
                     "{}",
                     python, status, folder);
        return ReportOutcome::failed;
    }
    spdlog::info("report: wrote {}", RunFiles(folder).report);
    return ReportOutcome::done;
}

} // namespace mesolith
