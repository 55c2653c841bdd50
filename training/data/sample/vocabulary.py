"""A person, a time and a random generator come in; the values of a ticket's slots go out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from training.data.sample.cultures import parts
from training.data.sample.persons import Person, full_name

_LISTS: Mapping[str, tuple[str, ...]] = {
    "feature": parts(
        "the timesheet / the board / the planner / the client portal / the budget page /"
        "the dashboard / the file area / the approval list / the activity feed / the Gantt chart /"
        "the expense form / the week view / the calendar / the template library / the contact list"
    ),
    "report": parts(
        "the utilisation report / the budget report / the hours report / the monthly summary /"
        "the profitability report / the absence overview / the project overview / the team report"
    ),
    "wish": parts(
        "a dark mode / recurring tasks / subtasks in templates / sorting by custom field /"
        "offline editing / a timer in the menu bar / bulk editing / approval by email /"
        "keyboard shortcuts / automatic reminders / a print view / colours for labels /"
        "drafts / dependencies between projects / a yearly view / voice notes"
    ),
    "app": parts("Slack / Jira / HubSpot / Salesforce / Teams / GitHub / Zapier / Google Drive"),
    "browser": parts("Chrome / Firefox / Safari / Edge / Brave"),
    "os": parts("Windows 11 / Windows 10 / macOS 15 / Ubuntu / macOS 14"),
    "phone": parts("Pixel 8 / iPhone 15 / iPhone 13 mini / Galaxy S23 / Fairphone 5 / Moto G84"),
    "plan": parts("Team / Business / Business Plus / the Business plan / the Team plan"),
    "dept": parts(
        "finance / design / HR / accounting / operations / marketing / engineering / production /"
        "editorial / procurement / controlling / customer care / the PMO / legal"
    ),
    "weekday": parts("Monday / Tuesday / Wednesday / Thursday / Friday"),
    "city": parts("Berlin / Lyon / Austin / Leeds / Porto / Kraków / Pune / Oslo / Utrecht"),
    "error": parts(
        '"Something went wrong" / "Unexpected error (500)" / "Request failed" / error 409 /'
        '"Please try again later" / "Forbidden" / error 422 / "Invalid state" / error 403 /'
        '"Operation not permitted" / "Session expired" / "Unknown error"'
    ),
    "code": parts("502 / HTTP 500 / 503 / 504 / 429 / error 500 / 422 / 403 / 504 Gateway Timeout"),
    "endpoint": (
        "/v2/tasks",
        "/v2/time-entries",
        "/v2/projects",
        "/v2/users",
        "/v2/webhooks",
        "/v2/invoices",
        "/v2/comments",
        "/v2/reports",
        "/v2/files",
    ),
    "workaround": parts(
        "a spreadsheet / the mobile app / copying it by hand / the old view / a colleague's login /"
        "pen and paper / exporting to PDF / email / reloading every few minutes / a private window"
    ),
}

_STEMS = parts(
    "Relaunch / Heron / Atlas / Trade Fair / Onboarding / Campaign / Annual Report / Delta /"
    "Refit / Kitchen / Rollout / Packaging / Museum / Audit / Migration / Website"
)
_FILE_STEMS = parts("tasks / contacts / export / projects / hours / clients / import / planning")
_CLIENTS = parts(
    "Osterfeld / Tannhaus / Bluepeak / Corvina / Silverline / Pemberton / Vialta / Grünwald /"
    "Ridgeway / Castellan / Ponteverde / Northgate / Arcadia / Holt & Sons / Belvoir / Kanto"
)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a drawn value may depend on."""

    rng: Random
    person: Person
    when: datetime


class Scene(Mapping[str, str]):
    """A ticket's slots: each value is drawn when it is first asked for, and then stays."""

    def __init__(self, rng: Random, person: Person, when: datetime) -> None:
        self._rng, self._person, self._when = rng, person, when
        self._values: dict[str, str] = {"company": person.company}

    def __getitem__(self, name: str) -> str:
        if name not in self._values:
            self._values[name] = self._draw(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(SLOTS)

    def __len__(self) -> int:
        return len(SLOTS)

    def fork(self) -> "Scene":
        """Other values of the same person: for a topic mentioned beside the ticket's own."""
        return Scene(self._rng, self._person, self._when)

    def _draw(self, name: str) -> str:
        if name in _LISTS:
            return self._rng.choice(_LISTS[name])
        return _DRAWN[name](_Moment(self._rng, self._person, self._when))


def _count(low: int, high: int) -> Callable[[_Moment], str]:
    return lambda moment: str(moment.rng.randint(low, high))


def _colleague(moment: _Moment) -> str:
    name = full_name(moment.rng, moment.person.culture)
    while name.split()[0] == moment.person.name.split()[0]:  # People do not write about themselves.
        name = full_name(moment.rng, moment.person.culture)
    return name if moment.rng.random() < 0.3 else name.split()[0]


def _date(moment: _Moment) -> str:
    day = moment.when - timedelta(days=moment.rng.randint(1, 24))
    styles = (f"{day.day} {day:%B}", f"{day:%B} {day.day}", f"{day:%Y-%m-%d}", f"{day:%d.%m.}")
    return moment.rng.choice(styles)


def _month(moment: _Moment) -> str:
    return f"{moment.when - timedelta(days=moment.rng.choice((0, 20, 40, 70))):%B}"


def _next_month(moment: _Moment) -> str:
    return (
        f"{moment.when + timedelta(days=moment.rng.choice((31, 62, 93)) - moment.when.day + 15):%B}"
    )


def _amount(moment: _Moment) -> str:
    value, currency = (
        moment.rng.choice((19, 49, 89, 240, 468, 1188, 2340)) + moment.rng.randint(0, 90),
        "EUR",
    )
    if moment.person.culture.currency != "€" or moment.rng.random() < 0.5:
        return f"{moment.person.culture.currency}{value:,}"
    return f"{value},{moment.rng.choice(('00', '50', '90'))} {currency}"


def _invoice(moment: _Moment) -> str:
    number = moment.rng.randint(1000, 99999)
    return moment.rng.choice(
        (f"INV-{moment.when.year}-{number:05}", f"#{number}", f"TW-{number:06}")
    )


def _clock(moment: _Moment) -> str:
    hour, minute = (
        moment.rng.randint(7, 17),
        moment.rng.choice(("00", "10", "15", "30", "40", "45")),
    )
    return moment.rng.choice(
        (f"{hour}:{minute}", f"{hour:02}:{minute}", f"{(hour - 1) % 12 + 1}.{minute}")
    )


def _file(moment: _Moment) -> str:
    ending = moment.rng.choice(
        ("", "_final", "_v2", f"_{moment.when.year}", "_new", f"-{moment.rng.randint(1, 40)}")
    )
    return f"{moment.rng.choice(_FILE_STEMS)}{ending}.{moment.rng.choice(('csv', 'xlsx', 'csv'))}"


def _project(moment: _Moment) -> str:
    stem = moment.rng.choice(_STEMS)
    return moment.rng.choice(
        (f'"{stem} {moment.when.year}"', f'"{stem}"', f"{stem} {moment.rng.randint(2, 19)}")
    )


def _trace(moment: _Moment) -> str:
    return f"{moment.rng.getrandbits(16):04x}-{moment.rng.getrandbits(32):08x}"


def _version(moment: _Moment) -> str:
    return f"{moment.rng.randint(4, 6)}.{moment.rng.randint(0, 14)}.{moment.rng.randint(0, 5)}"


def _year(moment: _Moment) -> str:
    return str(moment.when.year - moment.rng.randint(0, 3))


def _client(moment: _Moment) -> str:
    return moment.rng.choice(_CLIENTS)


_DRAWN: Mapping[str, Callable[[_Moment], str]] = {
    "colleague": _colleague,
    "colleague2": _colleague,
    "client": _client,
    "date": _date,
    "month": _month,
    "next_month": _next_month,
    "amount": _amount,
    "amount2": _amount,
    "invoice": _invoice,
    "contract": _count(4500000000, 4500999999),
    "card": _count(1000, 9999),
    "clock": _clock,
    "file": _file,
    "project": _project,
    "trace": _trace,
    "version": _version,
    "year": _year,
    "n": _count(2, 9),
    "few": _count(2, 6),
    "some": _count(7, 48),
    "many": _count(50, 900),
    "seats": _count(5, 120),
    "hours": _count(2, 4),
    "minutes": _count(5, 30),
    "seconds": _count(12, 90),
}

SLOTS = frozenset({"company", *_LISTS, *_DRAWN})
"""Every slot that a template may name."""
