"""Which policy files are read, what is said of the others, and what a bundle makes of them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.contract.promises import Threshold
from service.errors import BundleRefused, PolicyRefused
from service.opening import open_bundle
from service.policy import read_policy
from service.reloads import reload
from service.rules import NEVER
from service.settings import Settings
from tests.service.desk import TICKET, serving
from tests.tiny_bundle import DEFAULT_TASKS, write_bundle

Write = Callable[[str], Path]

WHOLE = """
queue:   {auto: 0.99, suggest: 0.7}
urgency: {choose: expected_cost, costs: {P0: {P1: 50, P2: 50, P3: 50}, default: 1}, human: 3}
category: {auto: 0.6, may_loosen: true}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_whole_file_is_read(write: Write) -> None:
    path = write(WHOLE)
    policy = read_policy(path)
    queue, urgency, category = (policy.tasks[name] for name in ("queue", "urgency", "category"))
    assert (queue.auto, queue.suggest, queue.may_loosen) == (0.99, 0.7, False)
    assert (urgency.choose, urgency.human) == ("expected_cost", 3)
    assert urgency.costs is not None
    assert urgency.costs.matrix(("P0", "P1", "P2", "P3"))[:2] == ((0, 50, 50, 50), (1, 0, 1, 1))
    assert (category.auto, category.may_loosen) == (0.6, True)
    assert policy.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_pairs_that_nobody_names_cost_one(write: Write) -> None:
    costs = read_policy(write("urgency: {costs: {P0: {P1: 5}}, human: 1}")).tasks["urgency"].costs
    assert costs is not None
    assert costs.matrix(("P0", "P1")) == ((0, 5), (1, 0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must map tasks to mappings"),
        ("[queue]", r"must map tasks to mappings"),
        ("queue: 0.9", r"queue: must be a mapping"),
        ("queue: {}", r"queue: changes nothing; give auto, suggest, choose, costs or human"),
        ("queue: {may_loosen: true}", r"queue: changes nothing"),
        ("queue: {autoo: 0.9}", r"queue\.autoo: no such key; allowed: auto, .*may_loosen"),
        ("queue: {auto: 1.1}", r"queue\.auto: .*less than or equal to 1"),
        ("queue: {auto: -0.1}", r"queue\.auto: .*greater than or equal to 0"),
        ("queue: {auto: .nan}", r"queue\.auto: .*finite"),
        ("queue: {auto: '0.9'}", r"queue\.auto: .*valid number"),
        ("queue: {auto: true}", r"queue\.auto: .*valid number"),
        ("queue: {auto: 0.5, suggest: 0.6}", r"queue: suggest 0\.6 must not exceed auto 0\.5"),
        ("queue: {choose: cheapest}", r"queue\.choose: .*'probability' or 'expected_cost'"),
        ("queue: {auto: 0.9, may_loosen: 1}", r"queue\.may_loosen: .*boolean"),
        ("queue: {human: -1}", r"queue\.human: .*greater than or equal to 0"),
        ("queue: {costs: 5}", r"queue\.costs: must be a mapping"),
        ("queue: {costs: {P0: 5}}", r"queue\.costs\.P0: .*valid dictionary"),
        ("queue: {costs: {P0: {P1: -5}}}", r"queue\.costs\.P0\.P1: .*greater than or equal to 0"),
        ("queue: {costs: {default: -5}}", r"queue\.costs\.default: .*greater than or equal to 0"),
        ("queue: {costs: {P0: {P0: 5}}}", r"queue\.costs: P0\.P0 must be 0"),
        ("Queue!: {auto: 0.9}", r"Queue!: .*match pattern"),
        ("queue: {auto: 0.9}\nqueue: {auto: 0.5}", r"the key queue stands twice"),
        ("queue: {auto: 0.9, auto: 0.5}", r"the key auto stands twice"),
        ("queue: {auto", r"it is not YAML at line 1"),
    ],
)
def test_what_is_not_a_policy_is_refused_with_its_key_and_the_rule(
    write: Write, text: str, message: str
) -> None:
    with pytest.raises(PolicyRefused, match=rf"^policy\.yaml .*{message}"):
        read_policy(write(text))


def test_every_fault_is_named_at_once(write: Write) -> None:
    with pytest.raises(PolicyRefused, match=r"queue\.auto: .*; category\.suggest: "):
        read_policy(write("queue: {auto: 2}\ncategory: {suggest: 2}"))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match=r"none\.yaml cannot be read: No such file"):
        read_policy(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"queue: \xff")
    with pytest.raises(PolicyRefused, match=r"bytes\.yaml cannot be read: it is not UTF-8"):
        read_policy(tmp_path / "bytes.yaml")


def _settings(bundle: Path, policy: Path) -> Settings:
    return Settings(bundle=bundle, provider="cpu", sessions=1, policy=policy)


def test_a_bundle_opens_with_the_policy_s_rules(promising: Path, write: Write) -> None:
    opened = open_bundle(promising, _settings(promising, write("category: {auto: 0.9}")))
    assert opened.rules["category"].auto_C == (0.9,) * 3
    assert opened.policy is not None
    assert opened.policy.name == "policy.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mood: {auto: 0.9}", "it may name category, urgency, queue, found mood"),
        ("queue: {auto: 0.9}", r"queue\.auto: the bundle has no threshold here"),
        (
            "category: {costs: {spam: {billing: 2}}, human: 1}",
            r"category\.costs: costs may name billing, technical, account, found spam",
        ),
    ],
)
def test_a_bundle_that_the_policy_does_not_fit_is_refused(
    promising: Path, write: Write, text: str, message: str
) -> None:
    with pytest.raises(BundleRefused, match=rf"policy\.yaml does not fit the bundle: {message}"):
        open_bundle(promising, _settings(promising, write(text)))


def test_a_bundle_in_shadow_may_lack_a_task_of_the_policy(tmp_path: Path, write: Write) -> None:
    bundle = write_bundle(tmp_path / "old", tasks=DEFAULT_TASKS[:1])
    settings = _settings(bundle, write("queue: {auto: 0.9}"))
    assert set(open_bundle(bundle, settings, in_shadow=True).rules) == {"category"}
    with pytest.raises(BundleRefused, match=r"may name category, found queue"):
        open_bundle(bundle, settings)


def test_of_a_bundle_in_shadow_nothing_is_auto_where_the_policy_does_not_fit(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_bundle(tmp_path / "old", thresholds={"category": Threshold(auto=0.0)})
    policy = write("queue: {auto: 0.99}\ncategory: {costs: {spam: {billing: 2}}, human: 1}")
    opened = open_bundle(bundle, _settings(bundle, policy), in_shadow=True)
    assert opened.rules["category"].auto_C == (NEVER,) * 3
    assert opened.rules["queue"].promise is None
    said = [record.getMessage() for record in caplog.records]
    assert [("queue.auto" in one, "category.costs" in one) for one in said] == [
        (False, True),
        (True, False),
    ]


async def test_a_swap_takes_the_policy_anew_and_one_that_does_not_fit_changes_nothing(
    promising: Path, write: Write
) -> None:
    async with serving(promising, policy=write("category: {auto: 0.0}")) as desk:

        async def decision() -> str:
            reply = await desk.client.post("/route", json=TICKET)
            return str(reply.json()["predictions"]["category"]["decision"])

        described = (await desk.client.get("/openapi.json")).text
        assert await decision() == "auto"
        write("category: {auto: 1.0}")
        await reload(desk.core)
        assert await decision() == "suggest"
        assert (await desk.client.get("/openapi.json")).text != described
        for text in ("category: {auto: 2}", "mood: {auto: 1.0}"):
            write(text)
            await reload(desk.core)
            assert await decision() == "suggest"
        refused = [line["code"] for line in desk.log if line["event"] == "swap refused"]
        assert refused == ["policy_refused", "bundle_refused"]


async def test_a_service_does_not_start_with_a_policy_that_cannot_be_read(
    promising: Path, tmp_path: Path
) -> None:
    with pytest.raises(PolicyRefused, match=r"none\.yaml cannot be read"):
        async with serving(promising, policy=tmp_path / "none.yaml"):
            pass


def test_a_policy_that_cannot_be_read_is_one_line_and_status_1(
    promising: Path, write: Write
) -> None:
    flags = ["--bundle", str(promising), "--port", "0", "--ledger", "off"]
    done = CliRunner().invoke(app, ["run", *flags, "--policy", str(write("queue: {autoo: 1}"))])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "harbor-serve: policy.yaml is not a valid policy: queue.autoo: no such key; allowed: auto, "
        "suggest, choose, costs, human, may_loosen"
    ]
