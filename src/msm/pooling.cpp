#include "mesolith/msm/pooling.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "mesolith/core/error.hpp"

namespace mesolith {

namespace {

Transition moved(const SiteOperation& op, const Transition& t) {
    const auto j = static_cast<std::size_t>(t.from), i = static_cast<std::size_t>(t.to);
    return {op.image[j], op.image[i], op.rotation * t.R + op.cell[i] - op.cell[j]};
}

std::size_t index_of(const std::vector<Transition>& transitions, const Transition& t) {
    const auto found = std::lower_bound(transitions.begin(), transitions.end(), t);
    if (found == transitions.end() || !(*found == t))
        throw DataError("symmetry operations for pooling form no group");
    return static_cast<std::size_t>(found - transitions.begin());
}

/// Sets that grow together; the smallest member stands for the set.
class Sets {
public:
    explicit Sets(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
    std::size_t find(std::size_t k) {
        while (parent_[k] != k) k = parent_[k] = parent_[parent_[k]];
        return k;
    }
    void join(std::size_t a, std::size_t b) {
        a = find(a), b = find(b);
        parent_[std::max(a, b)] = std::min(a, b);
    }
    std::vector<std::int32_t> numbers() {
        std::vector<std::int32_t> number(parent_.size());
        std::int32_t next = 0;
        for (std::size_t k = 0; k < number.size(); ++k) number[k] = find(k) == k ? next++ : number[find(k)];
        return number;
    }

private:
    std::vector<std::size_t> parent_;
};

} // namespace

std::vector<SiteOperation> pooling_operations(std::span<const SiteOperation> space_group, Pooling pooling) {
    std::vector<SiteOperation> chosen;
    for (const SiteOperation& op : space_group)
        if (pooling == Pooling::space_group ||
            (pooling == Pooling::translations && op.rotation == IMat3::Identity()))
            chosen.push_back(op);
    return chosen;
}

TransitionCounts pool_counts(TransitionCounts counts, std::span<const SiteOperation> operations) {
    counts.pool.clear();
    if (operations.empty()) return counts;
    for (const SiteOperation& op : operations)
        if (op.image.size() != counts.n_sites || op.cell.size() != counts.n_sites)
            throw DataError("a symmetry operation is for " + std::to_string(op.image.size()) +
                            " sites, the counts for " + std::to_string(counts.n_sites));
    std::vector<Transition> closed;
    closed.reserve(counts.transitions.size() * operations.size());
    for (const Transition& t : counts.transitions) { // holds the reverse of each: so do the images
        closed.push_back(t);
        for (const SiteOperation& op : operations) closed.push_back(moved(op, t));
    }
    std::sort(closed.begin(), closed.end());
    closed.erase(std::unique(closed.begin(), closed.end()), closed.end());

    std::vector<std::int32_t> new_index;
    std::vector<std::int64_t> total(closed.size(), 0);
    for (std::size_t k = 0; k < counts.transitions.size(); ++k) {
        const std::size_t at = index_of(closed, counts.transitions[k]);
        new_index.push_back(static_cast<std::int32_t>(at));
        total[at] = counts.total[k];
    }
    for (std::int32_t& t : counts.block_transition) t = new_index[static_cast<std::size_t>(t)];
    counts.transitions = std::move(closed);
    counts.total = std::move(total);
    counts.index_reverses();

    Sets classes(counts.transitions.size());
    for (std::size_t k = 0; k < counts.transitions.size(); ++k)
        for (const SiteOperation& op : operations)
            classes.join(k, index_of(counts.transitions, moved(op, counts.transitions[k])));
    counts.pool = classes.numbers();
    return counts;
}

std::vector<std::int32_t> jump_numbers(const TransitionCounts& counts) {
    const std::size_t n = counts.transitions.size();
    Sets jumps(n);
    std::vector<std::size_t> first(n, n); // transition of each class
    for (std::size_t k = 0; k < n; ++k) {
        jumps.join(k, static_cast<std::size_t>(counts.reverse[k]));
        if (counts.pool.empty()) continue;
        std::size_t& one = first[static_cast<std::size_t>(counts.pool[k])];
        if (one == n) one = k;
        jumps.join(one, k);
    }
    return jumps.numbers();
}

std::size_t independent_entries(const TransitionCounts& counts, bool reversible) {
    std::vector<std::int32_t> number = counts.pool;
    if (reversible) {
        number = jump_numbers(counts);
    } else if (number.empty()) {
        number.resize(counts.transitions.size());
        std::iota(number.begin(), number.end(), 0);
    }
    std::set<std::int32_t> seen;
    for (std::size_t k = 0; k < number.size(); ++k)
        if (counts.total[k] > 0 && !counts.transitions[k].is_stay()) seen.insert(number[k]);
    return seen.size();
}

} // namespace mesolith
