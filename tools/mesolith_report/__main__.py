"""python -m mesolith_report RUNDIR: write RUNDIR/report.html and RUNDIR/tables/*.csv."""

import argparse
import sys


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="mesolith_report", description="Write the HTML report of a result folder of mesolith."
    )
    parser.add_argument("folder", help="output folder of `mesolith run`")
    parser.add_argument("--png", metavar="FOLDER", help="also write each picture as a PNG file")
    options = parser.parse_args(arguments)
    try:
        from .report import write_report  # here, so that a missing package becomes one clear line too
        from .run import ReportError, load
    except ImportError as error:
        print(
            f"mesolith_report: {error}. Install the Python packages numpy, h5py and matplotlib "
            "(Debian: python3-numpy python3-h5py python3-matplotlib)",
            file=sys.stderr,
        )
        return 1
    try:
        with load(options.folder) as run:
            print(write_report(run, options.png))
    except (ReportError, OSError) as error:
        print(f"mesolith_report: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
