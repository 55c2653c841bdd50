"""A random generator comes in; the person who writes, with greeting and signature, goes out."""

from dataclasses import dataclass
from random import Random

from training.data.sample.cultures import (
    CULTURES,
    ENGLISH_CLOSINGS,
    ENGLISH_GREETINGS,
    WEIGHTS,
    Culture,
    parts,
    words,
)
from training.data.sample.issues import Tier

_COMPANY_FIRST = words(
    "Brightwater Foxglove Meridian Kestrel Halden Lumen Oakridge Pinewood Solstice Vantage Astra "
    "Copperfield Nordlicht Belmonte Quillon Ravel Tamarind Zephyr Juniper Marlow Corvus Delphi"
)
_COMPANY_SECOND = words(
    "Media Creative Engineering Consulting Labs Works Architects Events Digital Logistics Legal "
    "Marketing Film Interiors Learning Health Robotics Energy Foods Travel"
)
_ROLES = parts(
    "Office Manager / Head of Operations / Project Lead / Finance / IT Administrator / CEO / COO /"
    "Producer / Team Assistant / Controller / Developer / Account Director / HR Business Partner /"
    "Creative Director / Systems Engineer / Accountant / Studio Manager / Data Protection Officer"
)
_TIERS: tuple[Tier, ...] = ("starter", "team", "business", "enterprise")


@dataclass(frozen=True)
class Person:
    """Who writes, and how. wordiness: 0 (two words) to 4 (pages). typo_share: of the words."""

    name: str
    company: str
    role: str
    city: str
    culture: Culture
    tier: Tier
    wordiness: int
    typo_share: float
    lower_case: bool
    shouts: bool


def make_person(rng: Random, enterprise: float = 1.0) -> Person:
    """A person. enterprise: how much more likely than usual the customer is an enterprise."""
    culture = rng.choices(list(CULTURES.values()), WEIGHTS)[0]
    ending = f" {rng.choice(culture.company)}" if rng.random() < 0.7 else ""
    company = f"{rng.choice(_COMPANY_FIRST)} {rng.choice(_COMPANY_SECOND)}{ending}"
    return Person(
        name=full_name(rng, culture),
        company=company,
        role=rng.choice(_ROLES),
        city=rng.choice(culture.cities),
        culture=culture,
        tier=rng.choices(_TIERS, (25, 35, 22, 18 * enterprise))[0],
        wordiness=rng.choices(range(5), (5, 25, 48, 18, 4))[0],
        typo_share=rng.choices((0.0, 0.012, 0.05), (60, 30, 10))[0],
        lower_case=rng.random() < 0.07,
        shouts=rng.random() < 0.12,
    )


def full_name(rng: Random, culture: Culture) -> str:
    """A first and a last name of one culture."""
    return f"{rng.choice(culture.first)} {rng.choice(culture.last)}"


def greeting(rng: Random, person: Person, hour: int) -> str:
    """How the person opens, in their own language or in English."""
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    own = rng.random() < 0.6
    greetings = person.culture.greetings if own else ENGLISH_GREETINGS
    return rng.choice(greetings).replace("{hour}", part)


def signature(rng: Random, person: Person) -> str:
    """The lines under the text: from a first name to a block with role, company and telephone."""
    own = rng.random() < 0.6
    closing = rng.choice(person.culture.closings if own else ENGLISH_CLOSINGS)
    first = person.name.split()[0]
    style = rng.random()
    if style < 0.45:
        return f"{closing}\n{first}"
    if style < 0.65:
        return f"{closing}\n{person.name}\n{person.company}"
    if style < 0.72:
        return f"{first}\n\nSent from my {rng.choice(('iPhone', 'phone', 'Galaxy', 'iPad'))}"
    phone = f"{person.culture.phone}{rng.randrange(10, 100)}"
    block = [person.name, person.role, f"{person.company} · {person.city}", phone]
    return f"{closing}\n\n--\n" + "\n".join(block)
