"""Flags, then `HARBOR_*` variables, then defaults come in; one frozen settings object goes out."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Provider = Literal["auto", "cuda", "cpu"]
Precision = Literal["fp32", "fp16", "int8"]
Layout = Literal["padded", "ragged"]
PositiveInt = Annotated[int, Field(gt=0)]
PositiveSeconds = Annotated[float, Field(gt=0.0, le=3600.0)]
Seconds = Annotated[float, Field(ge=0.0, le=3600.0)]


class Settings(BaseSettings):
    """Every setting of the service; a field's description is its line in README and in `--help`."""

    model_config = SettingsConfigDict(env_prefix="HARBOR_", frozen=True, extra="forbid")

    bundle: Path = Field(description="directory of the bundle to serve")
    host: str = Field(
        "127.0.0.1", description="address to listen on; loopback unless told otherwise"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8080, description="port to listen on; 0 takes a free one and logs it"
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1,
        description="HTTP processes; with more than one they share one core process that owns "
        "bundles, device, shadow and ledger",
    )
    provider: Provider = Field(
        "auto",
        description="`cuda` refuses to start without CUDA; `auto` falls back to the CPU, visibly",
    )
    precision: Precision = Field(
        "fp32",
        description="which variant of the bundle to serve; `harbor-export quantize` adds int8",
    )
    layout: Layout = Field(
        "padded",
        description="`ragged` serves a variant that computes no padding",
    )
    sessions: PositiveInt = Field(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        description="batches that run side by side on the CPU, each on its own copy of the graph "
        "up to 1 GiB a bundle; set it to a container's CPU quota",
    )
    threads: PositiveInt = Field(1, description="threads that one batch may use on the CPU")
    wide: bool = Field(
        True,
        description="whether a lone long ticket may use the cores of all sessions on the CPU; "
        "holds the graph in memory once more",
    )
    cuda_devices: Annotated[str, Field(pattern=r"^[0-9]+(,[0-9]+)*$")] = Field(
        "0", description="numbers of the GPUs to serve on, separated by commas"
    )
    cuda_memory_mb: PositiveInt = Field(
        4096, description="upper limit of the CUDA memory arena, in MiB"
    )
    cuda_graphs: bool = Field(
        False, description="whether small batches replay recorded CUDA graphs; for padded graphs"
    )
    max_batch: PositiveInt = Field(32, description="tickets in a batch, at most")
    # On a CPU 8,192 gave no more throughput and two and a half times the memory.
    budget_tokens: PositiveInt = Field(
        2048, description="padded tokens in a batch, at most; a GPU wants more, such as 16384"
    )
    max_queue: PositiveInt = Field(
        1024, description="tickets that may wait; one more is refused with 503 and Retry-After"
    )
    timeout_s: PositiveSeconds = Field(
        10.0,
        description="deadline of a ticket in seconds; `X-Request-Timeout-Ms` can shorten it",
    )
    max_body_bytes: PositiveInt = Field(
        8 * 1024 * 1024, description="largest request body, in bytes"
    )
    max_tickets: PositiveInt = Field(256, description="tickets in one `POST /route/batch`, at most")
    policy: Path | None = Field(
        None, description="YAML file that tightens the bundle's promises; read with each bundle"
    )
    shadow: Path | None = Field(
        None, description="YAML file that names the legacies to run in shadow"
    )
    ledger: str = Field(
        "sqlite:///harbor-ledger.db",
        description="where decisions and final labels are kept: the URL of a SQLite or PostgreSQL "
        "database, or `off`",
    )
    ledger_queue: PositiveInt = Field(
        20_000, description="records that may wait to be written; one more is dropped and counted"
    )
    ledger_flush_s: PositiveSeconds = Field(
        0.5, description="seconds between two writes; a crash loses at most the last of them"
    )
    ledger_keep_days: PositiveInt = Field(90, description="days that a decision is kept")
    ledger_max_mb: PositiveInt = Field(
        4096, description="size of the ledger in MiB beyond which the oldest decisions go"
    )
    ledger_metadata: str = Field(
        "", description="fields of a ticket's metadata to keep, separated by commas"
    )
    ledger_text: bool = Field(
        False, description="whether to keep the tickets' text, redacted by rule"
    )
    admin_token: SecretStr | None = Field(
        None,
        description="bearer token that promotes, rolls back, deletes, and sees kept text in a "
        "report; without one nobody can",
    )
    grace_s: Seconds = Field(
        1.0,
        description="seconds that a stop still takes tickets after `/readyz` has turned 503",
    )
    drain_s: PositiveSeconds = Field(
        30.0, description="how long a stop waits for accepted tickets, in seconds"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
