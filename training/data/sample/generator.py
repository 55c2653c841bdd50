"""A number of tickets and a seed come in; the rows of a generated desk go out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from training.data.sample import calendar
from training.data.sample.agents import make_labels
from training.data.sample.asides import mention, postscript, quoted, setting
from training.data.sample.follow_ups import FollowUp
from training.data.sample.grammar import phrase, sentence
from training.data.sample.impact import Impact, make_impact
from training.data.sample.issues import Issue, Surface, draw_issue
from training.data.sample.logs import pasted
from training.data.sample.noise import mistype, shout
from training.data.sample.persons import Person, greeting, make_person, signature
from training.data.sample.vocabulary import Scene
from training.data.table import Row

_FOLLOW_UP_SHARE = 0.2
_ALARMS = ("URGENT: ", "Urgent - ", "ASAP: ", "[URGENT] ", "!! ", "Important: ", "URGENT!! ")
_BARE_SUBJECTS = (
    "",
    "",
    "help",
    "Question",
    "Problem",
    "hello",
    "Support",
    "Issue",
    "(no subject)",
)


def generate(tickets: int, seed: int) -> list[Row]:
    """The desk's first `tickets` tickets, the same for the same seed on every machine.

    Row i depends on i and the seed alone: a larger desk begins with the smaller one. The rows are
    in no order of time. Raises ConfigError beyond about a million tickets.
    """
    return [_ticket(index, seed) for index in range(tickets)]


@dataclass(frozen=True)
class _Draft:
    """Everything that decides a ticket's text."""

    rng: Random
    issue: Issue
    other: Issue
    surface: Surface
    person: Person
    when: datetime
    scene: Scene
    impact: Impact
    follow_up: FollowUp | None


def _ticket(index: int, seed: int) -> Row:
    rng, place = Random(f"harbor-desk-1:{seed}:{index}"), calendar.place_of(index, seed)
    draft = _draft(rng, calendar.time_of(place))
    subject, body = _subject(draft), _body(draft)
    labels = make_labels(rng, draft.issue, draft.surface, draft.person.tier, draft.impact.score)
    return Row(
        id=calendar.number_of(place),
        subject=subject,
        body=body,
        labels=labels,
        created_at=draft.when,
        source="generated",
    )


def _draft(rng: Random, when: datetime) -> _Draft:
    issue, other = draw_issue(rng), draw_issue(rng)
    while other.category == issue.category:
        other = draw_issue(rng)
    person = make_person(rng, issue.enterprise)
    surface = rng.choices(list(issue.surfaces), list(issue.surfaces.values()))[0]
    room = (0, rng.randint(0, 2), rng.randint(1, 3), 3, 3)[person.wordiness]
    impact, scene = make_impact(rng, issue, room), Scene(rng, person, when)
    follows = 1 <= person.wordiness <= 3 and rng.random() < _FOLLOW_UP_SHARE
    follow_up = FollowUp(rng, scene, issue, other) if follows else None
    return _Draft(rng, issue, other, surface, person, when, scene, impact, follow_up)


def _say(draft: _Draft, templates: Sequence[str], count: int = 1) -> list[str]:
    chosen = draft.rng.sample(templates, k=min(count, len(templates)))
    return [sentence(phrase(template, draft.scene, draft.rng)) for template in chosen]


def _subject(draft: _Draft) -> str:
    rng, person = draft.rng, draft.person
    chance = rng.random()
    if draft.follow_up:
        subject = draft.follow_up.subject()
    elif person.wordiness == 0 and chance < 0.6:
        subject = rng.choice(_BARE_SUBJECTS)
    elif chance < 0.1:  # An old thread, reused for something new.
        old = phrase(rng.choice(draft.other.subjects), draft.scene.fork(), rng)
        subject = f"Re: {sentence(old)}"
    elif chance < 0.16:
        subject = rng.choice(_BARE_SUBJECTS)
    else:
        subject = _say(draft, draft.issue.subjects)[0]
    if subject and rng.random() < (0.14 if draft.impact.score > 3.5 else 0.08):
        subject = rng.choice(_ALARMS) + subject
    return _typed(draft, subject)


def _body(draft: _Draft) -> str:
    rng, person = draft.rng, draft.person
    if person.wordiness == 0:
        return _typed(draft, phrase(rng.choice(draft.issue.briefs), draft.scene, rng))
    text = _paragraphs(draft, _sentences(draft))
    blocks = [_typed(draft, text)]
    if rng.random() < 0.55 + 0.1 * person.wordiness:
        blocks.insert(0, greeting(rng, person, draft.when.hour))
    if person.wordiness >= 3:
        blocks.extend(_attachments(draft))
    if rng.random() < 0.75:
        blocks.append(signature(rng, person))
    if rng.random() < 0.08 and not draft.follow_up:
        blocks.append(postscript(rng, draft.scene, draft.other))
    if rng.random() < (0.12 if person.wordiness < 4 else 0.6):
        blocks.append(quoted(rng, draft.scene, draft.other, person, draft.when))
    return "\n\n".join(blocks)


def _sentences(draft: _Draft) -> list[str]:
    """The text's sentences in their order: what, details, how bad, where, and what is wanted."""
    rng, issue, wordiness = draft.rng, draft.issue, draft.person.wordiness
    details: list[str] = []
    if draft.follow_up:
        opening = [draft.follow_up.opening()]
    else:
        opening = _say(draft, issue.opens, 1 if wordiness < 4 else 2)
        room = (0, rng.randint(0, 1), rng.randint(1, 2), 3, 3)[wordiness]
        details = _say(draft, issue.details, room)
    impact = [sentence(phrase(template, draft.scene, rng)) for template in draft.impact.templates]
    middle = [*impact, *setting(rng, draft.scene, issue.kind, draft.surface, draft.person.tier)]
    rng.shuffle(middle)
    asks = _say(draft, issue.asks, 1 if rng.random() < 0.7 and not draft.follow_up else 0)
    sentences = [*opening, *details, *middle, *asks]
    if draft.follow_up:  # It names the other issue already.
        return sentences
    if rng.random() < 0.12:
        sentences.insert(0, mention(rng, draft.scene, draft.other, before=True))
    if rng.random() < 0.15:
        place = rng.randint(1, len(sentences))
        sentences.insert(place, mention(rng, draft.scene, draft.other, before=False))
    return sentences


def _paragraphs(draft: _Draft, sentences: Iterable[str]) -> str:
    parts = list(sentences)
    if len(parts) > 4 and draft.rng.random() < 0.7:
        cut = draft.rng.randint(2, len(parts) - 2)
        return " ".join(parts[:cut]) + "\n\n" + " ".join(parts[cut:])
    return " ".join(parts)


def _attachments(draft: _Draft) -> list[str]:
    """What wordy people paste: logs, of a few lines or of pages."""
    rng, wordiness = draft.rng, draft.person.wordiness
    if draft.issue.kind != "fault" or (wordiness < 4 and rng.random() < 0.7):
        return []
    lines = rng.randint(4, 9) if wordiness < 4 else rng.randint(15, 90)
    fill = {name: draft.scene[name] for name in ("endpoint", "code", "seconds")}
    return [pasted(rng, draft.when, lines, fill)]


def _typed(draft: _Draft, text: str) -> str:
    typed = mistype(draft.rng, text, draft.person.typo_share)
    if draft.person.lower_case:
        typed = typed.lower()
    return shout(draft.rng, typed) if typed and draft.person.shouts else typed
