#pragma once
#include <stdexcept>
#include <string>

namespace mesolith {

/// Exit codes of the program.
enum class ExitCode : int { ok = 0, failed = 1, bad_input = 2, check_failed = 3, stopped = 75 };

/// Base of all errors meant for the user. Messages read "problem (why). What to do".
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    virtual ExitCode exit_code() const { return ExitCode::failed; }
};

/// The user's input is wrong: a TOML key, a missing file, a file that is not what it should be.
class InputError : public Error {
public:
    using Error::Error;
    ExitCode exit_code() const override { return ExitCode::bad_input; }
};

/// A data file is damaged or inconsistent. The message starts with "FILE[:LINE]: " and names the frame where
/// it can.
class FileError : public Error {
public:
    using Error::Error;
};

/// Values that do not fit together: shapes, ranges, NaN.
class DataError : public Error {
public:
    using Error::Error;
};

/// Ctrl-C, SIGTERM or a time limit: what was written stays valid, the run can go on later.
class Stopped : public Error {
public:
    using Error::Error;
    ExitCode exit_code() const override { return ExitCode::stopped; }
};

} // namespace mesolith
