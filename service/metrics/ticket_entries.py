"""The metrics of requests, tickets and batches, as the catalogue lists them."""

from service.metrics.entry import Entry

# What the event loop alone counts: its counters and histograms are tallies, without a lock.
TICKETS = (
    Entry(
        "harbor_requests_total",
        "counter",
        ("endpoint", "outcome"),
        "HTTP requests by outcome: `ok` or the problem's code",
    ),
    Entry(
        "harbor_request_seconds",
        "histogram",
        ("endpoint",),
        "From a request's arrival to its reply, in seconds",
    ),
    Entry(
        "harbor_tickets_total",
        "counter",
        ("outcome",),
        "Tickets by outcome, each ticket of a batch request counted",
    ),
    Entry(
        "harbor_stage_seconds",
        "histogram",
        ("stage",),
        "Seconds of each routed ticket by stage: tokenize, queue, infer, total",
    ),
    Entry("harbor_truncated_total", "counter", (), "Tickets whose text exceeded the token limit"),
    Entry("harbor_batch_tickets", "histogram", (), "Tickets in a batch"),
    Entry("harbor_batch_tokens", "histogram", (), "Tokens in a batch, padding included"),
    Entry("harbor_tokens_real_total", "counter", (), "Tokens that were run, without padding"),
    Entry(
        "harbor_tokens_padded_total",
        "counter",
        (),
        "Tokens that were run, with padding; real over padded is the efficiency",
    ),
    Entry("harbor_infer_seconds_total", "counter", (), "Seconds that batches took"),
    Entry(
        "harbor_infer_predicted_seconds_total",
        "counter",
        (),
        "Seconds that the cost model expected them to take",
    ),
    Entry(
        "harbor_infer_error_ratio",
        "histogram",
        (),
        "Seconds that a batch took, over what the cost model expected",
    ),
    Entry(
        "harbor_batches_total",
        "counter",
        ("released",),
        "Batches by why they went: emptied (all that waited), full (at a limit), best (a larger "
        "one would have been worth less a second)",
    ),
    Entry("harbor_wide_batches_total", "counter", (), "Batches that ran on every core"),
    Entry(
        "harbor_tickets_shared_total",
        "counter",
        (),
        "Tickets that got the answer of an equal one that was under way already",
    ),
    Entry("harbor_queue_depth", "gauge", (), "Tickets that wait now"),
    Entry(
        "harbor_tickets_dropped_total",
        "counter",
        ("reason",),
        "Accepted tickets without an answer: expired, abandoned (the caller left), failed",
    ),
    Entry(
        "harbor_predictions_total",
        "counter",
        ("task", "label", "decision"),
        "Predictions; series of labels that a new bundle lacks are removed",
    ),
    Entry("harbor_confidence", "histogram", ("task",), "Confidence of the predicted label"),
    Entry(
        "harbor_out_of_scope_total",
        "counter",
        (),
        "Tickets unlike those that the bundle was trained on; a human decides them",
    ),
)
