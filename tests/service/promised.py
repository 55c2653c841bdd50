"""What a bundle of the tests promises."""

from service.contract.promises import Costs, Evidence, Promise, Share, Threshold

_ALL = Share(value=1.0, low=0.99, high=1.0)
EVIDENCE = Evidence(tickets=400, accepted=400, right=400, precision=_ALL, coverage=_ALL)
PRECISION = Promise(kind="precision", target=0.97, evidence=EVIDENCE)
COVERAGE = Promise(kind="coverage", target=0.8, evidence=EVIDENCE)
LEAST_COST = Promise(kind="cost", evidence=EVIDENCE)


def costs(classes: int, dear: float = 50.0) -> Costs:
    """To miss the first label costs `dear`, any other mistake 1, an agent 3."""
    matrix = tuple(
        tuple(0.0 if true == given else dear if true == 0 else 1.0 for given in range(classes))
        for true in range(classes)
    )
    return Costs(matrix=matrix, human=3.0)


def promised(auto: float = 0.9, suggest: float = 0.5, **given: object) -> Threshold:
    """Thresholds that keep a promise of precision."""
    return Threshold(**{"auto": auto, "suggest": suggest, "promise": PRECISION, **given})
