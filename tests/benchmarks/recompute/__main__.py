"""A SQLite ledger and the JSON of its report come in; every figure is computed a second time, from
the rows alone, and compared to 1e-12.

python -m tests.benchmarks.recompute --ledger harbor-ledger.db --report report.json
"""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks.recompute.report import recompute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    flags = parser.parse_args()
    result = recompute(flags.ledger, json.loads(flags.report.read_text(encoding="utf-8")))
    for line in result.differences:
        print(line)
    print(f"{result.figures:,} figures compared, largest difference {result.largest:.1e}")
    sys.exit(1 if result.differences else 0)


if __name__ == "__main__":
    main()
