"""Another issue comes in; sentences and quoted mails that mention it in passing go out."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

from training.data.sample.grammar import phrase, read_templates, sentence
from training.data.sample.issues import Issue, Kind, Surface, Tier
from training.data.sample.persons import Person, full_name
from training.data.sample.vocabulary import Scene

_TELL_FAULTY: Mapping[Surface, float] = {"web": 0.3, "mobile": 0.85, "api": 0.4}
_TELL_CALM: Mapping[Surface, float] = {"web": 0.05, "mobile": 0.85, "api": 0.3}


def mention(rng: Random, scene: Scene, other: Issue, *, before: bool) -> str:
    """A sentence that names another issue: as the first of a text, or further down."""
    slots = scene.fork()
    named = phrase(rng.choice(other.phrases), slots, rng)
    template = rng.choice(read_templates("asides")["before" if before else "after"])
    return sentence(phrase(template.replace("{other}", named), slots, rng))


def setting(rng: Random, scene: Scene, kind: Kind, surface: Surface, tier: Tier) -> list[str]:
    """What is told of device and plan: mostly where it matters, now and then where it does not."""
    told = []
    if rng.random() < (_TELL_FAULTY if kind == "fault" else _TELL_CALM)[surface]:
        told.append(f"{'faulty' if kind == 'fault' else 'calm'} {surface}")
    if rng.random() < (0.75 if tier == "enterprise" else 0.18):
        told.append(f"plan {'enterprise' if tier == 'enterprise' else 'other'}")
    templates = read_templates("asides")
    return [sentence(phrase(rng.choice(templates[key]), scene, rng)) for key in told]


def postscript(rng: Random, scene: Scene, other: Issue) -> str:
    """A second, smaller matter under the text."""
    start = rng.choice(("PS:", "By the way,", "One more thing:", "Separately:", "P.S."))
    return f"{start} {phrase(rng.choice(other.briefs), scene.fork(), rng)}"


def quoted(rng: Random, scene: Scene, other: Issue, person: Person, when: datetime) -> str:
    """An earlier mail under the text: the desk's own answer, or one that a colleague forwarded."""
    day = when - timedelta(days=rng.randint(1, 60))
    slots, sent = scene.fork(), day.replace(hour=rng.randint(8, 17), minute=rng.randint(0, 59))
    topic = phrase(rng.choice(other.phrases), slots, rng)
    if rng.random() < 0.6:
        author = f"{full_name(rng, person.culture)} (Tidewell Support)"
        lines = [
            f"Hello {person.name.split()[0]},",
            sentence(
                phrase(f"[thank you for your message about|I looked into] {topic}.", slots, rng)
            ),
            phrase(rng.choice(read_templates("asides")["answer"]), slots, rng),
        ]
    else:
        author = full_name(rng, person.culture)
        lines = [
            sentence(phrase(rng.choice(other.opens), slots, rng)),
            sentence(phrase(rng.choice(other.details), slots, rng)),
        ]
    start = f"On {sent:%a}, {sent.day} {sent:%b %Y} at {sent:%H:%M}, {author} wrote:"
    return "\n".join([start, *(f"> {line}" for line in lines)])
