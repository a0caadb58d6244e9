#include <cstddef>
#include <vector>

int main(int argc, char**) {
    const std::vector<int> values(4, 1);
    return values[static_cast<std::size_t>(argc) + 2] - 1;
}
