"""Which bundles open, and that each broken one is refused with its cause."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from service.contract.bundle import MANIFEST, SUMS, TOKENIZER
from service.contract.promises import Scope
from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import pad
from service.engine.providers import has_driver
from service.engine.session import Session
from service.engine.wide import Wide
from service.errors import BundleRefused, ProviderMissing
from service.opening import open_bundle
from service.settings import Settings
from tests import tiny_bundle
from tests.tiny_bundle import DEFAULT_TASKS, GOLDEN, GRAPH, WORDS, reseal, write_bundle


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "sound")


@pytest.fixture
def bundle(sound: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(sound, tmp_path / "bundle"))


def _settings(bundle: Path, **changes: object) -> Settings:
    return Settings(**{"bundle": bundle, "provider": "cpu", "sessions": 2, **changes})


def test_a_sound_bundle_opens(sound: Path) -> None:
    opened = open_bundle(sound, _settings(sound))
    assert opened.tasks == DEFAULT_TASKS
    assert opened.digest.startswith("sha256:")
    assert (opened.manifest.version, opened.variant.precision) == ("test-1", "fp32")
    assert (opened.provider, opened.degraded) == ("cpu", False)
    assert opened.tokenizer.limit == opened.manifest.token_limit


def test_two_and_five_tasks_open_without_touching_code(tmp_path: Path) -> None:
    for count in (2, 5):
        tasks = tuple(Task(name=f"task{n}", labels=("a", "b", "c")) for n in range(count))
        directory = write_bundle(tmp_path / str(count), tasks=tasks)
        assert open_bundle(directory, _settings(directory)).tasks == tasks


@pytest.mark.parametrize("name", [MANIFEST, GRAPH, TOKENIZER, GOLDEN, "MODEL_CARD.md", SUMS])
def test_one_flipped_bit_in_any_file_is_refused(bundle: Path, name: str) -> None:
    sound = (bundle / name).read_bytes()
    places = np.random.default_rng(5).integers(0, len(sound), size=12)
    for place in (0, len(sound) - 1, *places):
        broken = bytearray(sound)
        broken[place] ^= 1 << (int(place) % 8)
        (bundle / name).write_bytes(broken)
        with pytest.raises(BundleRefused) as refusal:
            open_bundle(bundle, _settings(bundle))
        assert SUMS in str(refusal.value)


def _swap_words(bundle: Path) -> None:
    other = tiny_bundle.tokenizer_definition(list(reversed(WORDS)))
    (bundle / TOKENIZER).write_text(other, encoding="utf-8")


def _grow_words(bundle: Path) -> None:
    padding = [f"word{number}" for number in range(500)]
    other = tiny_bundle.tokenizer_definition([*padding, *WORDS])
    (bundle / TOKENIZER).write_text(other, encoding="utf-8")


def _break_tokenizer(bundle: Path) -> None:
    (bundle / TOKENIZER).write_text("{}", encoding="utf-8")


def _break_graph(bundle: Path) -> None:
    (bundle / GRAPH).write_bytes(b"no graph")


def _other_weights(bundle: Path) -> None:
    size = open_bundle(bundle, _settings(bundle)).tokenizer.vocabulary_size
    (bundle / GRAPH).write_bytes(tiny_bundle.graph(DEFAULT_TASKS, 99, size))


def _other_labels(bundle: Path) -> None:
    tasks = (Task(name="category", labels=("technical", "billing", "account")), *DEFAULT_TASKS[1:])
    (bundle / GRAPH).write_bytes(tiny_bundle.graph(tasks, 0, 300))


def _lost_head(bundle: Path) -> None:
    _replace_graph(bundle, DEFAULT_TASKS[:2])


def _narrow_head(bundle: Path) -> None:
    narrow = Task(name="urgency", labels=("P0", "P1"))
    _replace_graph(bundle, (DEFAULT_TASKS[0], narrow, DEFAULT_TASKS[2]))


def _replace_graph(bundle: Path, tasks: tuple[Task, ...]) -> None:
    """A graph of other tasks that claims, in its metadata, to be the bundle's."""
    metadata = {entry.key: entry.value for entry in onnx.load(bundle / GRAPH).metadata_props}
    model = onnx.load_from_string(tiny_bundle.graph(tasks, 0, 300))
    helper.set_model_props(model, metadata)
    (bundle / GRAPH).write_bytes(model.SerializeToString())


def _shift_golden(bundle: Path) -> None:
    golden = json.loads((bundle / GOLDEN).read_text(encoding="utf-8"))
    golden["tickets"][1]["probabilities"]["queue"][0] -= 0.001
    (bundle / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")


def _forget_a_golden_task(bundle: Path) -> None:
    golden = json.loads((bundle / GOLDEN).read_text(encoding="utf-8"))
    del golden["tickets"][0]["probabilities"]["queue"]
    (bundle / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")


def _unknown_field(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    (bundle / MANIFEST).write_text(json.dumps({**manifest, "colour": "red"}), encoding="utf-8")


def _other_limit(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    (bundle / MANIFEST).write_text(json.dumps({**manifest, "token_limit": 32}), encoding="utf-8")


RESEALED: list[tuple[Callable[[Path], None], str]] = [
    (_swap_words, "golden ticket 0"),
    (_grow_words, "fails on its golden tickets"),
    (_break_tokenizer, "tokenizer cannot be read"),
    (_break_graph, "model.fp32.onnx does not load"),
    (_other_weights, "golden ticket 0"),
    (_other_labels, "harbor.tasks"),
    (_lost_head, "no output queue_probabilities"),
    (_narrow_head, "urgency_probabilities must be float32 of (batch, 4)"),
    (_shift_golden, "golden ticket 1 of golden.fp32.json: queue differs by 0.001"),
    (_forget_a_golden_task, "does not answer exactly"),
    (_unknown_field, "manifest.json is not valid at 'colour'"),
    (_other_limit, "harbor.token_limit"),
]


@pytest.mark.parametrize(("damage", "cause"), RESEALED, ids=[d.__name__ for d, _ in RESEALED])
def test_a_bundle_that_was_sealed_wrong_is_refused(
    bundle: Path, damage: Callable[[Path], None], cause: str
) -> None:
    damage(bundle)
    reseal(bundle)
    with pytest.raises(BundleRefused) as refusal:
        open_bundle(bundle, _settings(bundle))
    assert cause in str(refusal.value)


SCOPE = Scope(method="mahalanobis", threshold=40.0, kept=0.99, tickets=100)


@pytest.fixture(scope="module")
def scoped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "scoped", scope=SCOPE)


def _edit_graph(bundle: Path, change: Callable[[onnx.GraphProto], None]) -> None:
    model = onnx.load(bundle / GRAPH)
    change(model.graph)
    onnx.save(model, bundle / GRAPH)


def _drop_score(graph: onnx.GraphProto) -> None:
    graph.output.remove(graph.output[-1])


def _score_as_a_column(graph: onnx.GraphProto) -> None:
    (total,) = (node for node in graph.node if node.output[0] == "scope_score")
    total.attribute[0].i = 1
    graph.output[-1].CopyFrom(
        helper.make_tensor_value_info("scope_score", onnx.TensorProto.FLOAT, ["batch", 1])
    )


def _score_without_a_number(graph: onnx.GraphProto) -> None:
    _set_middle(graph, np.full(8, np.nan, dtype=np.float32))


def _score_of_the_whole_batch(graph: onnx.GraphProto) -> None:
    """Sums over the tickets, too: company then changes the score."""
    (total,) = (node for node in graph.node if node.output[0] == "scope_score")
    total.output[0] = "each"
    graph.node.append(helper.make_node("ReduceMean", ["each"], ["mean"], keepdims=1))
    graph.node.append(helper.make_node("Sub", ["each", "mean"], ["scope_score"]))


def _set_middle(graph: onnx.GraphProto, middle_H: np.ndarray) -> None:
    (stored,) = (tensor for tensor in graph.initializer if tensor.name == "scope_mean")
    stored.CopyFrom(onnx.numpy_helper.from_array(middle_H, "scope_mean"))


SCOPE_FAULTS: list[tuple[Callable[[onnx.GraphProto], None], str]] = [
    (_drop_score, "model.fp32.onnx has no output scope_score, the manifest a threshold"),
    (_score_as_a_column, "scope_score must be float32 of (batch,), found tensor(float)"),
    (_score_without_a_number, "the scope score has a value that is not finite"),
    (_score_of_the_whole_batch, "golden ticket 0 of golden.fp32.json: scope_score is 0 alone"),
]


@pytest.mark.parametrize(
    ("damage", "cause"), SCOPE_FAULTS, ids=[d.__name__ for d, _ in SCOPE_FAULTS]
)
def test_a_scope_score_that_does_not_keep_the_contract_is_refused(
    scoped: Path, tmp_path: Path, damage: Callable[[onnx.GraphProto], None], cause: str
) -> None:
    bundle = Path(shutil.copytree(scoped, tmp_path / "bundle"))
    _edit_graph(bundle, damage)
    reseal(bundle)
    with pytest.raises(BundleRefused) as refusal:
        open_bundle(bundle, _settings(bundle))
    assert cause in str(refusal.value)


def _score_golden(bundle: Path, factor: float) -> None:
    """Golden tickets with the scores that the graph gives, times `factor`."""
    tokenizer = open_bundle(bundle, _settings(bundle)).tokenizer
    session = Session.open(bundle / GRAPH, DEFAULT_TASKS, "cpu", threads=1)
    golden = json.loads((bundle / GOLDEN).read_text(encoding="utf-8"))
    for ticket in golden["tickets"]:
        tokens = tokenizer.encode(render(ticket["subject"], ticket["body"]))
        scope_B = session.run(*pad([tokens], tokenizer.pad_id)).scope_B
        assert scope_B is not None
        ticket["scope"] = float(scope_B[0]) * factor
    (bundle / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")
    reseal(bundle)


def test_a_scope_score_must_be_the_golden_one_where_there_is_one(
    scoped: Path, sound: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(scoped, tmp_path / "bundle"))
    _score_golden(bundle, 1.0005)
    assert open_bundle(bundle, _settings(bundle)).variant.scope == SCOPE
    _score_golden(bundle, 1.01)
    rule = r"golden ticket 0 of golden\.fp32\.json: scope_score is .*, must be"
    with pytest.raises(BundleRefused, match=rule):
        open_bundle(bundle, _settings(bundle))
    without = Path(shutil.copytree(sound, tmp_path / "without"))
    shutil.copyfile(bundle / GOLDEN, without / GOLDEN)
    reseal(without)
    with pytest.raises(BundleRefused, match=r"has no output scope_score, golden\.fp32\.json"):
        open_bundle(without, _settings(without))


def test_a_graph_may_give_a_scope_score_that_the_manifest_has_no_threshold_for(
    scoped: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(scoped, tmp_path / "bundle"))
    assert open_bundle(bundle, _settings(bundle)).variant.scope == SCOPE
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["variants"][0]["scope"] = None
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    reseal(bundle)
    assert open_bundle(bundle, _settings(bundle)).variant.scope is None


@pytest.mark.parametrize("name", [MANIFEST, GRAPH, TOKENIZER, GOLDEN, SUMS])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleRefused, match=name):
        open_bundle(bundle, _settings(bundle))


def test_an_added_file_is_named(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("added later", encoding="utf-8")
    with pytest.raises(BundleRefused, match=r"notes\.txt"):
        open_bundle(bundle, _settings(bundle))


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="nowhere"):
        open_bundle(tmp_path / "nowhere", _settings(tmp_path / "nowhere"))


def test_another_text_template_is_refused(tmp_path: Path) -> None:
    directory = write_bundle(tmp_path / "bundle", text_template=99)
    with pytest.raises(BundleRefused, match="text template 99"):
        open_bundle(directory, _settings(directory))


def test_a_precision_that_the_bundle_lacks_is_refused(sound: Path) -> None:
    with pytest.raises(BundleRefused, match="no padded int8 graph, only fp32 padded"):
        open_bundle(sound, _settings(sound, precision="int8"))


def test_a_graph_for_the_cpu_alone_refuses_cuda_and_takes_the_cpu_by_itself(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["variants"][0]["providers"] = ["cpu"]
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    reseal(bundle)
    assert open_bundle(bundle, _settings(bundle, provider="auto")).provider == "cpu"
    with pytest.raises(BundleRefused, match="is for cpu, cuda was asked for"):
        open_bundle(bundle, _settings(bundle, provider="cuda"))


@pytest.mark.skipif(has_driver(), reason="this host has an NVIDIA driver")
def test_a_missing_provider_is_named_as_such_and_not_held_against_the_bundle(sound: Path) -> None:
    with pytest.raises(ProviderMissing, match="no NVIDIA driver"):
        open_bundle(sound, _settings(sound, provider="cuda"))


def _wide(bundle: Path, **changes: object) -> Wide | None:
    return open_bundle(bundle, _settings(bundle, **changes)).engine._wide


def test_a_wide_session_answers_what_the_others_do(sound: Path) -> None:
    opened = open_bundle(sound, _settings(sound))
    wide = opened.engine._wide
    assert wide is not None
    assert wide.session() is None
    wide.close()
    on_every_core, on_one = wide.session(), opened.engine._workers[0].session
    assert on_every_core is not None
    assert on_every_core is not on_one
    ids_BL = np.arange(180, dtype=np.int64).reshape(3, 60) % 150
    many, one = (session.run(ids_BL, np.ones_like(ids_BL)) for session in (on_every_core, on_one))
    for name, rows in one.probabilities.items():
        np.testing.assert_allclose(many.probabilities[name], rows, atol=1e-6)


def test_there_is_no_wide_session_where_it_would_be_like_the_others_or_is_not_wanted(
    sound: Path,
) -> None:
    assert _wide(sound, sessions=1) is None
    assert _wide(sound, wide=False) is None
    assert _wide(sound, sessions=2) is not None


def test_a_bundle_that_was_replaced_meanwhile_is_not_opened_for_every_core(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wide = _wide(bundle)
    assert wide is not None
    (bundle / "MODEL_CARD.md").write_text("another one", encoding="utf-8")
    reseal(bundle)
    assert wide.session() is None
    wide.close()
    assert wide.session() is None
    assert "holds another bundle than the one that serves" in caplog.text
