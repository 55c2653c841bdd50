"""The metrics of where a bundle computes, as the catalogue lists them."""

from service.metrics.entry import Entry

DEVICE = (
    Entry("harbor_provider_info", "gauge", ("provider",), "1 for the provider that serves"),
    Entry(
        "harbor_degraded",
        "gauge",
        (),
        "1 while tickets are computed elsewhere than they were meant to be: `provider = auto` fell "
        "back to the CPU, or a device is lost",
    ),
    Entry(
        "harbor_device_retries_total",
        "counter",
        (),
        "Batches that did not fit into the device's memory and were halved",
    ),
    Entry("harbor_device_losses_total", "counter", (), "Times that a device was lost"),
    Entry("harbor_device_recoveries_total", "counter", (), "Times that a lost device came back"),
)
