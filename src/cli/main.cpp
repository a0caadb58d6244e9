#include <cstdio>
#include <cstring>

#include "mesolith/core/version.hpp"

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::printf("mesolith %s (%s)\n", mesolith::version().c_str(), mesolith::commit().c_str());
        return 0;
    }
    std::fprintf(stderr, "usage: mesolith --version\n");
    return 2;
}
