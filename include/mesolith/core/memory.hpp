#pragma once

namespace mesolith {

/// Memory of this machine [B].
[[nodiscard]] double machine_memory();

} // namespace mesolith
