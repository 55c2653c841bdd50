"""The metrics of the ledger and of final labels, as the catalogue lists them."""

from service.metrics.entry import Entry

LEDGER = (
    Entry(
        "harbor_ledger_records_total",
        "counter",
        ("kind",),
        "Records written: decision, comparison, feedback",
    ),
    Entry(
        "harbor_ledger_dropped_total",
        "counter",
        ("kind", "reason"),
        "Records lost: queue_full, closing (the store failed to the end of a stop), refused (the "
        "store rejects the record itself)",
    ),
    Entry("harbor_ledger_queue", "gauge", (), "Records that wait to be written"),
    Entry("harbor_ledger_up", "gauge", (), "1 if the last write to the store succeeded"),
    Entry("harbor_ledger_failures_total", "counter", (), "Writes that failed; they are repeated"),
    Entry("harbor_ledger_flush_seconds", "histogram", (), "Seconds of one write"),
    Entry(
        "harbor_ledger_pruned_total",
        "counter",
        ("reason",),
        "Decisions removed by retention: age, size",
    ),
    Entry(
        "harbor_feedback_total",
        "counter",
        ("outcome",),
        "Final labels: stored, corrected, duplicate, superseded, unmatched (no decision yet)",
    ),
)
