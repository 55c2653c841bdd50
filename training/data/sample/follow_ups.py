"""A ticket's own issue and another's come in; a subject and an opening that name both go out.

Both are named by the same phrases and in the same places, so that only the sentence says which one
the ticket is about.
"""

from random import Random

from training.data.sample.grammar import phrase, read_templates, sentence
from training.data.sample.issues import Issue
from training.data.sample.vocabulary import Scene


class FollowUp:
    """How one ticket puts its issue beside another one's."""

    def __init__(self, rng: Random, scene: Scene, own: Issue, other: Issue) -> None:
        self._rng, self._scene = rng, scene
        self._named = {
            "{own}": phrase(rng.choice(own.phrases), scene, rng),
            "{other}": phrase(rng.choice(other.phrases), scene.fork(), rng),
        }

    def subject(self) -> str:
        """A subject that says which issue it is, says another one, or says nothing."""
        return self._say("subject")

    def opening(self) -> str:
        """One to three sentences from which a careful reader knows the issue."""
        return self._say("opening")

    def _say(self, key: str) -> str:
        template = self._rng.choice(read_templates("follow_ups")[key])
        for mark, named in self._named.items():
            template = template.replace(mark, named)
        parts = phrase(template, self._scene, self._rng).split(". ")
        return ". ".join(sentence(part) for part in parts)
