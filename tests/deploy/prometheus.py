"""A service's address comes in; a real Prometheus that scrapes it every second goes out."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.benchmarks.server import free_port, stop
from tests.deploy.programs import program

DIRECTORY = Path(__file__).parents[2] / "deploy" / "prometheus"
READY_WITHIN_S = 30.0


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30.0)

    @property
    def ready(self) -> bool:
        """Whether it takes queries."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def values(self, expression: str, span_s: float | None = None) -> list[float]:
        """Every value of every series now, or over the last `span_s` seconds.

        Raises ValueError with what Prometheus says of an expression that it cannot evaluate.
        """
        if span_s is None:
            series = self._ask("query", query=expression)
            return [float(one["value"][1]) for one in series]
        now = time.time()
        span = {"start": now - span_s, "end": now, "step": 1}
        series = self._ask("query_range", query=expression, **span)
        return [float(value) for one in series for _, value in one["values"]]

    def label_values(self, label: str, selector: str) -> list[str]:
        """The values of a label among the series that a selector matches."""
        reply = self._client.get(f"/api/v1/label/{label}/values", params={"match[]": selector})
        found: list[str] = reply.json()["data"]
        return found

    def rules(self) -> list[Any]:
        """Every rule, with its health and its last error."""
        groups = self._read(self._client.get("/api/v1/rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _ask(self, what: str, **query: Any) -> Any:
        return self._read(self._client.post(f"/api/v1/{what}", data=query))["result"]

    def _read(self, reply: httpx.Response) -> Any:
        document = reply.json()
        if document["status"] != "success":
            raise ValueError(document["error"])
        return document["data"]


@contextmanager
def scraping(target: str, directory: Path) -> Iterator[Prometheus]:
    """Runs the delivered configuration on one target, `host:port`, every second.

    directory: takes its data and its log.
    """
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration(target)), encoding="utf-8")
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        try:
            _wait_until_ready(prometheus, process, directory / "log")
            yield prometheus
        finally:
            prometheus.close()
            stop(process)


def configuration(target: str) -> Any:
    """The delivered scrape configuration, quicker, and of this target alone."""
    config = yaml.safe_load((DIRECTORY / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DIRECTORY / name) for name in config["rule_files"]]
    (harbor,) = (job for job in config["scrape_configs"] if job["job_name"] == "harbor")
    harbor["static_configs"] = [{"targets": [target]}]
    config["scrape_configs"] = [harbor]
    return config


def _wait_until_ready(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not prometheus.ready:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prometheus is not ready: {log.read_text()[-2000:]}")
        time.sleep(0.05)
