"""A job on standard input comes in; a report, or why there is none, goes out on standard output."""

import json
import os
import sys

from service.errors import LedgerRefused, LedgerUnavailable, UnknownLegacy
from service.ledger.store import Store
from service.shadow.page import render
from service.shadow.report import read_report
from service.shadow.reporting import REFUSED


def main() -> None:
    """The process that `service.shadow.reporting` starts; it gives way to everything else."""
    # A tenth of a busy core: at 19 it would be a seventieth, and a report of seconds take minutes.
    os.nice(10)
    job = json.load(sys.stdin)
    try:
        with Store(job["url"]) as store:
            report = read_report(store, job["legacy"], with_text=job["with_text"])
    except (UnknownLegacy, LedgerUnavailable, LedgerRefused) as error:
        sys.stdout.write(json.dumps({"code": error.code, "detail": str(error)}))
        sys.exit(REFUSED)
    sys.stdout.write(render(report) if job["form"] == "html" else report.model_dump_json())


if __name__ == "__main__":
    main()
