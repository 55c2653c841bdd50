"""The metrics of the shadow and its legacies, as the catalogue lists them."""

from service.metrics.entry import Entry

SHADOW = (
    Entry(
        "harbor_shadow_offered_total",
        "counter",
        ("legacy", "task"),
        "Answers that were to be compared; compared, dropped, failed and pending add up to it",
    ),
    Entry(
        "harbor_shadow_compared_total", "counter", ("legacy", "task"), "Answers that were compared"
    ),
    Entry(
        "harbor_shadow_disagreed_total",
        "counter",
        ("legacy", "task"),
        "Compared answers whose label differs from the reply's most probable one",
    ),
    Entry(
        "harbor_shadow_dropped_total",
        "counter",
        ("legacy", "task", "reason"),
        "Not asked: queue_full, too_old, circuit_open, closing, swapped (models changed meanwhile)",
    ),
    Entry(
        "harbor_shadow_failed_total",
        "counter",
        ("legacy", "task", "reason"),
        "Asked in vain: timeout, unreachable, status, malformed, crashed, missing (no answer for "
        "this task), untranslatable",
    ),
    Entry("harbor_shadow_pending", "gauge", ("legacy",), "Tickets that wait or are being asked"),
    Entry(
        "harbor_shadow_sampled_out_total",
        "counter",
        ("legacy",),
        "Tickets that sampling left out; they are not offered",
    ),
    Entry(
        "harbor_shadow_labels_total",
        "counter",
        ("legacy", "task", "primary", "shadow"),
        "Compared answers by the most probable label of each; pairs beyond the first 400 count as "
        "`other`",
    ),
    Entry(
        "harbor_shadow_confidence_difference",
        "histogram",
        ("legacy", "task"),
        "Confidence of the reply's most probable label less the legacy's, where it has one",
    ),
    Entry(
        "harbor_shadow_disagreement_ratio",
        "gauge",
        ("legacy", "task", "bound"),
        "Share of the window's compared answers that differ: rate, and its 95 % interval low, high",
    ),
    Entry(
        "harbor_shadow_window_compared",
        "gauge",
        ("legacy", "task"),
        "Compared answers in the window of the ratio",
    ),
    Entry("harbor_legacy_seconds", "histogram", ("legacy",), "Latency of a legacy that answered"),
    Entry(
        "harbor_legacy_circuit_open", "gauge", ("legacy",), "1 while the breaker holds calls back"
    ),
    Entry(
        "harbor_shadow_noise_compared_total",
        "counter",
        ("task", "one", "other"),
        "Tickets to which two legacies answered the same task",
    ),
    Entry(
        "harbor_shadow_noise_disagreed_total",
        "counter",
        ("task", "one", "other"),
        "Of these, how often the two legacies differed: the noise floor",
    ),
)
