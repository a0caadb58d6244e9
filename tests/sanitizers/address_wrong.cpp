#include <cstddef>
#include <vector>

int main(int argc, char**) {
    const std::vector<int> values(4, 1);
    return values.data()[static_cast<std::size_t>(argc) + 3] - 1; // one past the end
}
