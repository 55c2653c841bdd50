"""Hearts that beat, rest and stop; a process whose heart has stopped is killed."""

import asyncio
import io
import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from service.logs import open_log
from service.workers.child import Child
from service.workers.heart import BEAT_S, PATIENCE, Heart
from service.workers.watch import Watch


class Host:
    """A process that is watched, by a clock that is turned by hand. Its heart is felt here."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.popen, self.now, self.stream = popen, 0.0, io.StringIO()
        self.child = Child("core", lambda _: 0, popen.pid)
        self.watch = Watch([self.child], open_log(self.stream), lambda: self.now)

    def look(self, looks: int, *, after_s: float = BEAT_S) -> None:
        """So many looks, each so long after the one before."""
        for _ in range(looks):
            self.now += after_s
            self.watch.look()

    @property
    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def host() -> Iterator[Host]:
    with subprocess.Popen(["sleep", "600"]) as popen:
        try:
            yield Host(popen)
        finally:
            popen.kill()


async def test_a_process_whose_event_loop_hangs_is_killed_and_one_line_says_so(host: Host) -> None:
    with host.child.heart.beating():
        # The loop has no turn from here on.
        host.look(PATIENCE)
        assert host.log == []
        host.look(1)
        assert host.popen.wait(60) == -signal.SIGKILL
        host.look(2 * PATIENCE)
    (line,) = host.log
    assert (line["event"], line["process"]) == ("process hangs", "core")


def test_a_process_that_follows_one_that_hung_owes_its_own_beats_alone() -> None:
    heart = Heart()
    for _ in range(2):  # Each of them hangs after its first beat.
        heart.rest()
        heart._beat()
        felt = [heart.has_stopped() for _ in range(PATIENCE + 1)]
        assert felt == [*[False] * PATIENCE, True]


async def test_a_stop_of_the_whole_machine_is_not_held_against_a_process(host: Host) -> None:
    with host.child.heart.beating():
        host.look(1)
        host.look(PATIENCE - 1, after_s=3600.0)
    assert (host.log, host.popen.poll()) == ([], None)


async def test_however_often_signals_wake_the_supervisor_it_is_as_patient(host: Host) -> None:
    with host.child.heart.beating():
        host.look(100 * (PATIENCE - 1), after_s=BEAT_S / 100)
    assert (host.log, host.popen.poll()) == ([], None)


async def test_an_event_loop_that_does_not_serve_owes_no_beat(host: Host) -> None:
    host.look(2 * PATIENCE)
    with host.child.heart.beating():
        host.look(PATIENCE)
    host.look(2 * PATIENCE)
    assert (host.log, host.popen.poll()) == ([], None)


async def test_a_live_event_loop_beats() -> None:
    heart = Heart()
    with heart.beating():
        found = [heart.has_stopped() for _ in range(PATIENCE)]
        await asyncio.sleep(1.1 * BEAT_S)
        found += [heart.has_stopped() for _ in range(PATIENCE)]
    assert not any(found)
