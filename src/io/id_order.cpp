#include "id_order.hpp"

#include <algorithm>

namespace mesolith {

bool IdOrder::start(const std::vector<std::int64_t>& ids) {
    ids_ = ids;
    std::sort(ids_.begin(), ids_.end());
    if (const auto twice = std::adjacent_find(ids_.begin(), ids_.end()); twice != ids_.end()) {
        repeated_ = *twice;
        return false;
    }
    seen_.assign(ids_.size(), -1);
    first_ = ids_.front();
    const auto range = static_cast<std::uint64_t>(ids_.back()) - static_cast<std::uint64_t>(first_);
    if (range < 8 * ids_.size() + 1024) {
        dense_.assign(static_cast<std::size_t>(range) + 1, -1);
        for (std::size_t i = 0; i < ids_.size(); ++i)
            dense_[static_cast<std::size_t>(ids_[i] - first_)] = static_cast<std::int32_t>(i);
    } else {
        for (std::size_t i = 0; i < ids_.size(); ++i) sparse_[ids_[i]] = static_cast<std::int32_t>(i);
    }
    return true;
}

} // namespace mesolith
