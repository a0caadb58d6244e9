#pragma once
// What all stages share.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mesolith/config/config.hpp"
#include "mesolith/core/progress.hpp"
#include "mesolith/io/store.hpp"

namespace mesolith {

/// Provenance of a result that is already there; none when it is missing, damaged or of another program.
std::optional<Provenance> existing_result(const std::string& path);

/// Provenance of a new result of a stage.
Provenance new_provenance(const Config& config, const std::string& stage, std::vector<InputFile> inputs,
                          const std::string& previous_fingerprint);

/// Whether the result at `path` is what the stage would write; says so.
bool is_up_to_date(const std::optional<Provenance>& existing, const Provenance& fresh,
                   const std::string& path);

/// Keeps a warning for the file and shows it.
void warn(std::vector<std::string>& warnings, const std::string& text);

/// Open the result of an earlier stage. @throws InputError that says which stage to run when it is missing
Hdf5File open_result(const std::string& path, const std::string& stage);

/// A progress bar, unless messages are switched off (--quiet).
class StageProgress {
public:
    explicit StageProgress(const std::string& title);
    void update(double fraction) {
        if (shown_) shown_->update(fraction);
    }
    void finish() {
        if (shown_) shown_->finish();
    }

private:
    std::optional<Progress> shown_;
};

} // namespace mesolith
