"""How the commands of this package end."""

import sys


def status_of(write):
    """Exit status of a command: write() returns the name of what it wrote; what went wrong becomes one line on stderr."""
    try:
        from .run import ReportError  # here, so that a missing package becomes one clear line too

        try:
            print(write())
            return 0
        except (ReportError, OSError) as error:
            problem = str(error).splitlines()[0]
    except ImportError as error:
        problem = (
            f"{error}. Install the Python packages numpy, h5py and matplotlib "
            "(Debian: python3-numpy python3-h5py python3-matplotlib)"
        )
    print(f"mesolith_report: {problem}", file=sys.stderr)
    return 1
