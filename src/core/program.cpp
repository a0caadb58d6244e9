#include "mesolith/core/program.hpp"

namespace mesolith {

std::filesystem::path program_path() {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? std::filesystem::path() : path;
}

} // namespace mesolith
