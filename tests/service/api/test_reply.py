"""A reply's JSON is byte for byte what checked models gave of it, and can be read again."""

import json
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from service.api import schema
from service.api.schema import REPLY, BatchItem, BatchReply, Problem, batch_json, reply_json
from service.contract.promises import SetMethod
from service.rules import Promised
from service.shadow.documents import Disagreement, LegacyAnswer, ShadowTask


class Model(BaseModel):
    """Reads any object's attributes."""

    model_config = ConfigDict(from_attributes=True)


class BundleName(Model):
    version: str
    digest: str


class Alternative(Model):
    label: str
    confidence: float


class PredictionSet(Model):
    method: str
    coverage: float
    per_label: bool
    labels: list[str]


class Prediction(Model):
    label: str
    confidence: float
    decision: str
    threshold: float | None
    alternatives: list[Alternative]
    promise: str | None = None
    likeliest: Alternative | None = None
    set: PredictionSet | None = None


class ScopeReply(Model):
    score: float
    threshold: float
    inside: bool


class Timings(Model):
    tokenize: float
    queue: float
    infer: float
    total: float


class Share(Model):
    rate: float | None
    n: int
    low: float
    high: float


class Beside(Model):
    disagreement: Share
    answer: LegacyAnswer | None = Field(default=None, exclude_if=lambda answer: answer is None)


class Reply(Model):
    request_id: str
    ticket_id: str | None
    bundle: BundleName
    predictions: dict[str, Prediction]
    scope: ScopeReply | None = None
    needs_human: bool
    truncated: bool
    degraded: bool
    provider: str
    shadow: dict[str, dict[str, Beside]] | None
    timings_ms: Timings


class Item(Model):
    reply: Reply | None = None
    problem: Problem | None = None


class Batch(Model):
    request_id: str
    bundle: BundleName
    results: list[Item]


PROBLEM = Problem(type="t", title="t", status=422, detail="d", code="c", request_id="r")

texts = st.text(max_size=5)
shares = st.floats(0.0, 1.0)
spans = st.floats(0.0, 1e9)
bundles = st.builds(schema.BundleName, texts, texts)
alternatives = st.builds(schema.Alternative, texts, shares)
sets = st.builds(
    schema.PredictionSet,
    st.sampled_from(get_args(SetMethod)),
    shares,
    st.booleans(),
    st.lists(texts, max_size=3),
)
predictions = st.builds(
    schema.Prediction,
    texts,
    shares,
    st.sampled_from(get_args(schema.Decision)),
    st.none() | shares,
    st.lists(alternatives, max_size=3),
    st.none() | st.sampled_from(get_args(Promised)),
    st.none() | alternatives,
    st.none() | sets,
)
answers = st.just(LegacyAnswer(outcome="late")) | st.builds(
    LegacyAnswer, outcome=st.just("compared"), label=texts, confidence=shares, agrees=st.booleans()
)
disagreements = st.builds(Disagreement, st.none() | shares, st.integers(0, 9), shares, shares)
tasks = st.builds(ShadowTask, disagreements, st.none() | answers)
replies = st.builds(
    schema.Reply,
    request_id=texts,
    ticket_id=st.none() | texts,
    bundle=bundles,
    predictions=st.dictionaries(texts, predictions, max_size=3),
    scope=st.none() | st.builds(schema.ScopeReply, spans, spans, st.booleans()),
    needs_human=st.booleans(),
    truncated=st.booleans(),
    degraded=st.booleans(),
    provider=st.sampled_from(get_args(schema.Provider)),
    shadow=st.none()
    | st.dictionaries(texts, st.dictionaries(texts, tasks, max_size=2), max_size=2),
    timings_ms=st.builds(schema.Timings, spans, spans, spans, spans),
)


def _batch(replies: list[schema.Reply]) -> dict[str, Any]:
    name = schema.BundleName("v", "d")
    items = [*(BatchItem(reply=reply) for reply in replies), BatchItem(problem=PROBLEM)]
    return {"request_id": "r", "bundle": name, "results": items}


@given(replies)
def test_a_reply_is_sent_as_checked_models_would_be(reply: schema.Reply) -> None:
    assert reply_json(reply) == Reply.model_validate(reply).model_dump_json().encode()


@given(st.lists(replies, max_size=2))
def test_a_batch_is_sent_as_checked_models_would_be(replies: list[schema.Reply]) -> None:
    results = [*(Item(reply=Reply.model_validate(one)) for one in replies), Item(problem=PROBLEM)]
    name = BundleName(version="v", digest="d")
    wanted = Batch(request_id="r", bundle=name, results=results)
    found = batch_json(BatchReply(**_batch(replies)))
    assert found == wanted.model_dump_json(exclude_unset=True).encode()


@given(replies)
def test_a_reply_can_be_read_again_by_one_who_does_not_know_all_of_it(reply: schema.Reply) -> None:
    document = {**json.loads(reply_json(reply)), "newer": 1}
    assert REPLY.validate_python(document) == reply
