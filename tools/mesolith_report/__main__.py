"""python -m mesolith_report RUNDIR: write RUNDIR/report.html and RUNDIR/tables/*.csv."""

import argparse
import sys

from .command import status_of


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="mesolith_report", description="Write the HTML report of a result folder of mesolith."
    )
    parser.add_argument("folder", help="output folder of `mesolith run`, of a single run or of a sweep")
    parser.add_argument("--png", metavar="FOLDER", help="also write each picture as a PNG file")
    options = parser.parse_args(arguments)

    def write():
        from . import sweep

        if sweep.is_sweep(options.folder):
            return sweep.write(options.folder, options.png)
        from .report import write_report
        from .run import load

        with load(options.folder) as run:
            return write_report(run, options.png)

    return status_of(write)


if __name__ == "__main__":
    sys.exit(main())
