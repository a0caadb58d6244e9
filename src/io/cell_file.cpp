#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "mesolith/core/error.hpp"

#include "file_frame_source.hpp"
#include "text_input.hpp"

namespace mesolith {

namespace {

/// The numbers of the next line that holds any; empty at the end. '#' begins a comment.
std::vector<double> next_numbers(TextInput& input) {
    std::string_view line;
    while (input.next(line)) {
        line = trim(line.substr(0, line.find('#')));
        if (line.empty()) continue;
        std::vector<double> numbers;
        while (!trim(line).empty()) {
            const std::string_view word = next_word(line);
            double value = 0;
            if (!to_real(word, value))
                input.fail(fmt::format("'{}' is no number", word), "a cell is expected",
                           "Give a 3x3 matrix in angstrom, rows are the cell vectors, or a CP2K .cell file");
            numbers.push_back(value);
        }
        return numbers;
    }
    return {};
}

Cell cell_of_rows(const TextInput& input, const double* a) {
    Mat3 rows;
    rows << a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8];
    try {
        return Cell(rows);
    } catch (const DataError& error) {
        throw FileError(fmt::format("{}:{}: {}", input.path(), input.line_number(), error.what()));
    }
}

} // namespace

/// CP2K rows: step, time [fs], Ax Ay Az Bx By Bz Cx Cy Cz, volume; in the order of steps apart from restarts.
struct CellFile::Table {
    struct Row {
        std::int64_t step = 0;
        std::array<double, 9> cell{};
    };

    explicit Table(const std::string& path) : input(path) {}

    bool next(Row& row) {
        for (;;) {
            const auto numbers = next_numbers(input);
            if (numbers.empty()) return false;
            if (numbers.size() < 11)
                input.fail(fmt::format("a row has {} numbers", numbers.size()),
                           "step, time, 9 of the cell and the volume expected",
                           "The file was cut off: copy it again");
            if (!(std::abs(numbers[0]) < 1e15))
                input.fail("the step is no count", "first column", "Give the .cell file of the run");
            row.step = static_cast<std::int64_t>(numbers[0]);
            std::copy_n(numbers.begin() + 2, 9, row.cell.begin());
            if (!started || row.step > last_step) {
                started = true;
                last_step = row.step;
                return true;
            }
        }
    }

    TextInput input;
    Row now, after;
    bool have_after = false, started = false;
    std::int64_t last_step = 0;
    std::optional<std::int64_t> last_asked;
};

CellFile::CellFile(const std::string& path) {
    {
        TextInput input(path);
        std::vector<double> numbers = next_numbers(input);
        if (numbers.size() < 11) {
            for (auto more = next_numbers(input); !more.empty(); more = next_numbers(input))
                numbers.insert(numbers.end(), more.begin(), more.end());
            if (numbers.size() == 3) numbers = {numbers[0], 0, 0, 0, numbers[1], 0, 0, 0, numbers[2]};
            if (numbers.size() != 9)
                throw FileError(fmt::format(
                    "{}: holds {} numbers (a cell has 9; lengths and angles do not say how the "
                    "crystal is turned). Give a 3x3 matrix in angstrom, rows are the cell vectors",
                    path, numbers.size()));
            cell_ = cell_of_rows(input, numbers.data());
            return;
        }
    }
    table_ = std::make_unique<Table>(path);
    table_->next(table_->now);
    cell_ = cell_of_rows(table_->input, table_->now.cell.data());
    table_->have_after = table_->next(table_->after);
}

CellFile::~CellFile() = default;

const Cell& CellFile::at(std::optional<std::int64_t> step, const std::string& trajectory) {
    if (!table_) return cell_;
    Table& table = *table_;
    if (!step) {
        // Without steps only a cell that never changes can be used; reading on proves it.
        while (table.have_after) {
            if (table.after.cell != table.now.cell)
                throw InputError(fmt::format(
                    "{}: the cell file {} changes from step to step (this trajectory has no steps to "
                    "match). Use format cp2k, or give a fixed 3x3 cell",
                    trajectory, table.input.path()));
            table.have_after = table.next(table.after);
        }
        return cell_;
    }
    if (table.last_asked && *step <= *table.last_asked)
        return cell_; // a repeated frame, which will be dropped
    table.last_asked = step;
    bool moved = false;
    while (table.have_after && table.after.step <= *step) {
        table.now = table.after;
        table.have_after = table.next(table.after);
        moved = true;
    }
    if (moved) cell_ = cell_of_rows(table.input, table.now.cell.data());
    const bool exact = table.now.step == *step;
    if (!exact && (table.now.step > *step || !table.have_after || table.after.cell != table.now.cell))
        throw FileError(fmt::format(
            "{}: has no cell for step {} of {} (the nearest row is step {}). Print the cell as often "
            "as the positions",
            table.input.path(), *step, trajectory, table.now.step));
    return cell_;
}

} // namespace mesolith
