"""The compose file: what it mounts exists, and its parts find each other."""

from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
BUNDLE = "${BUNDLE:-../runs/quickstart/bundle}:/bundle:ro"
"""Made by `make serve`; everything else that is mounted is in the repository."""


def test_the_service_prometheus_and_grafana_come_up_together() -> None:
    assert set(SERVICES) == {"harbor", "prometheus", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_path_exists_and_cannot_be_written(name: str) -> None:
    for source, _, *mode in _mounts(name):
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
            assert mode == ["ro"], source
        else:
            assert source in COMPOSE["volumes"]


def test_the_bundle_of_make_serve_is_the_default() -> None:
    assert BUNDLE in SERVICES["harbor"]["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_loopback_and_health_is_checked(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_what_is_built_is_the_dockerfile() -> None:
    assert (DEPLOY / SERVICES["harbor"]["build"]["context"] / "Dockerfile").is_file()


def test_the_ledger_lies_on_a_volume_that_the_image_s_user_owns() -> None:
    folder = "/ledger"
    assert f"ledger:{folder}" in SERVICES["harbor"]["volumes"]
    assert f"sqlite:///{folder}/" in SERVICES["harbor"]["environment"]["HARBOR_LEDGER"]
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text(encoding="utf-8")
    assert f"RUN install -d -o 10001 -g 10001 {folder}\n" in dockerfile
    assert "\nUSER 10001:10001\n" in dockerfile


def test_prometheus_scrapes_the_service_s_port() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]
    }
    assert targets["harbor"] == ["harbor:8080"]
    assert SERVICES["harbor"]["ports"] == ["127.0.0.1:8080:8080"]
    (folder,) = (inside for outside, inside, *_ in _mounts("prometheus") if outside[0] == ".")
    assert f"--config.file={folder}/prometheus.yml" in SERVICES["prometheus"]["command"]
    for name in config["rule_files"]:
        assert (DEPLOY / "prometheus" / name).is_file()


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    mounted = {inside: outside for outside, inside, *_ in _mounts("grafana")}
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "harbor.yml").read_text())[
        "providers"
    ]
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, name = home.rsplit("/", 1)
    assert (DEPLOY / mounted[folder] / name).is_file()
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"


def test_there_is_no_secret_in_the_file() -> None:
    assert SERVICES["harbor"]["environment"]["HARBOR_ADMIN_TOKEN"] is None
    names = [name for service in SERVICES.values() for name in service.get("environment", {})]
    assert [name for name in names if "PASSWORD" in name] == []


def _mounts(name: str) -> list[list[str]]:
    return [mount.split(":") for mount in SERVICES[name]["volumes"] if mount != BUNDLE]
