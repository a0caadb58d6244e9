#pragma once
#include <string>
#include <vector>

namespace mesolith {

/// One number of a summary.json; NaN where there is none.
struct SummaryNumber {
    std::string key, unit, text;
    double value = 0, error = 0;
};

struct SummaryVerdict {
    std::string name, verdict; ///< "pass", "warn" or "fail"
    double value = 0;
};

/// What a summary.json says (docs/files.md), whichever stages wrote it.
struct SummaryFile {
    std::string name, verdict; ///< the worst of all checks
    std::vector<SummaryNumber> results;
    std::vector<SummaryVerdict> checks;
};

/// @throws InputError when there is no such file, FileError when it is no summary
[[nodiscard]] SummaryFile read_summary_file(const std::string& path);

} // namespace mesolith
