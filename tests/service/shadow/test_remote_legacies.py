"""Remote legacies against real servers on loopback ports."""

import socket
from collections.abc import Iterator

import pytest

from service.contract.ticket import Ticket, render
from service.errors import ShadowRefused
from service.shadow.config import parse_shadow
from service.shadow.legacy import CircuitOpenError, Legacy, LegacyFailedError
from service.shadow.remote import RemoteLegacy
from tests.service.shadow.remote_legacies import KINDS, TICKET, config, failure, legacy
from tests.service.shadow.remote_systems import LABELS, RemoteSystem, json_config, running
from tests.tiny_bundle import DEFAULT_TASKS


@pytest.fixture(scope="module")
def system() -> Iterator[tuple[RemoteSystem, str]]:
    healthy = RemoteSystem()
    with running(healthy) as url:
        yield healthy, url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_healthy_system_says_its_labels(
    system: tuple[RemoteSystem, str], kind: str
) -> None:
    remote, url = system
    async with legacy(url, kind) as asked:
        answers = await asked.ask(TICKET)

    text = render(TICKET.subject, TICKET.body)
    assert {task: said.label for task, said in answers.items()} == {
        task: remote.label(task, text) for task in LABELS
    }
    assert {said.confidence for said in answers.values()} == {0.75}


async def test_only_the_tasks_that_were_asked_for_are_answered(
    system: tuple[RemoteSystem, str], kind: str
) -> None:
    async with legacy(system[1], kind, tasks=["queue"]) as asked:
        assert asked.tasks == ("queue",)
        assert list(await asked.ask(TICKET)) == ["queue"]


async def test_headers_carry_the_secret_and_nothing_else_shows_it(
    system: tuple[RemoteSystem, str], kind: str
) -> None:
    remote, url = system
    async with legacy(url, kind, {"headers": {"Authorization": "Bearer ${TOKEN}"}}) as asked:
        await asked.ask(TICKET)

        assert remote.headers[-1]["authorization"] == "Bearer s3cr3t"
        assert "s3cr3t" not in f"{asked.identity} {asked!r} {vars(asked)!r}"


@pytest.mark.parametrize(
    "ticket",
    [
        Ticket(subject="Réclamation 😀", body="\x00\ud800 \u2028 \"'{subject}"),
        Ticket(subject="long", body="größer " * 15_000),
        Ticket(body="no id, no subject"),
    ],
    ids=["unicode", "100 kB", "bare"],
)
async def test_any_ticket_arrives_as_the_model_reads_it(
    system: tuple[RemoteSystem, str], kind: str, ticket: Ticket
) -> None:
    remote, url = system
    async with legacy(url, kind) as asked:
        answers = await asked.ask(ticket)

    text = render(ticket.subject, ticket.body)
    assert answers["queue"].label == remote.label("queue", text)


async def test_a_hung_system_is_given_up_in_time(kind: str) -> None:
    with running(RemoteSystem("hung")) as url:
        async with legacy(url, kind, timeout_s=0.05) as asked:
            assert await failure(asked) == "timeout"


async def test_a_slow_system_is_given_up_in_time(kind: str) -> None:
    with running(RemoteSystem("slow", delay_s=0.3)) as url:
        async with legacy(url, kind, timeout_s=0.05) as asked:
            assert await failure(asked) == "timeout"


async def test_a_crashing_system_fails_with_a_reason(kind: str) -> None:
    with running(RemoteSystem("crashing")) as url:
        async with legacy(url, kind) as asked:
            reasons = [await failure(asked) for _ in range(4)]

    assert reasons == ["unreachable", "status", "unreachable", "status"]


async def test_a_system_that_is_not_there_is_unreachable(kind: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with legacy(url, kind) as asked:
            assert await failure(asked) == "unreachable"


async def test_every_wrong_shape_is_malformed(kind: str) -> None:
    with running(RemoteSystem("wrong-shaped")) as url:
        async with legacy(url, kind, tasks=["category"], breaker={"failures": 100}) as asked:
            outcomes = []
            for _ in range(7):
                try:
                    outcomes.append(str(dict(await asked.ask(TICKET))))
                except LegacyFailedError as error:
                    outcomes.append(error.reason)

    # JSON in which a path finds nothing is no answer, and no fault either.
    missing = {"json": 2, "v2": 0}[kind]
    assert outcomes.count("{}") == missing
    assert outcomes.count("malformed") == 7 - missing


async def test_a_system_that_recovers_is_asked_again() -> None:
    now = [0.0]
    system = RemoteSystem("crashing")
    with running(system) as url:
        asked = RemoteLegacy(
            config(url, "json", breaker={"failures": 2, "cooldown_s": 10}),
            lambda: DEFAULT_TASKS,
            clock=lambda: now[0],
        )
        async with asked:
            await failure(asked)
            await failure(asked)
            with pytest.raises(CircuitOpenError):
                await asked.ask(TICKET)
            assert (asked.circuit, len(system.seen)) == ("open", 2)

            system.mode, now[0] = "healthy", 10.0
            await asked.ask(TICKET)

            assert asked.circuit == "closed"


def test_the_identity_follows_what_is_asked_and_how() -> None:
    tasks = ["category", "queue"]
    base = legacy("http://crm", "v2", tasks=tasks)
    same = legacy("http://crm", "v2", tasks=tasks, timeout_s=1, connections=1, role="challenger")
    others = [
        legacy("http://crm", "json"),
        legacy("http://crm/v3", "v2"),
        legacy("http://crm", "v2", {"model": "other"}),
        legacy("http://crm", "v2", {"version": "2"}),
        legacy("http://crm", "v2", {"headers": {"X-Model": "b"}}),
        legacy("http://crm", "v2", {"outputs": {"category": {"label": "other"}}}),
        legacy("http://crm", "v2", labels={"category": {"Billing": "billing"}}),
    ]

    assert base.identity == same.identity
    assert len({base.identity, *(one.identity for one in others)}) == 1 + len(others)


def test_the_identity_does_not_depend_on_a_secret() -> None:
    section = {"headers": {"Authorization": "${TOKEN}"}}
    first = legacy("http://crm", "json", section).identity
    context = {"environ": {"TOKEN": "new"}}
    document = {"legacies": [{"name": "crm", "json": {**json_config("http://crm"), **section}}]}
    again = parse_shadow(document, "shadow.yaml", context).legacies[0]

    assert RemoteLegacy(again, lambda: DEFAULT_TASKS).identity == first


async def test_a_system_that_does_not_fit_is_refused_at_the_start() -> None:
    asked = RemoteLegacy(config("http://crm", "json"), lambda: DEFAULT_TASKS[:1])

    with pytest.raises(ShadowRefused, match="has no task urgency"):
        async with asked:
            pass


async def test_labels_are_translated() -> None:
    asked: Legacy = legacy("http://crm", labels={"category": {"Billing & Invoices": "billing"}})

    assert asked.translate("category", "Billing & Invoices") == "billing"
    assert asked.translate("category", "technical") == "technical"
    assert asked.translate("category", "Technical") is None
