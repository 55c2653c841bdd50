"""Tickets and an encoder that does not learn come in; what logistic regression on it says goes out.

Shapes: N training tickets, M tickets asked about, H width, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from training.baselines import FLOOR, majority_scores
from training.config import RunConfig
from training.config.sharing import HardConfig
from training.data.dataset import UNLABELLED, Dataset
from training.data.stream import StreamedDesk
from training.evaluate import measure
from training.frozen import freeze_features
from training.listener import Listener
from training.model.encoder import load_encoder
from training.model.network import build_network
from training.precision import choose
from training.prepare import Desk

PENALTIES = (0.01, 0.1, 1.0)
"""C of the regression, the most drawn to zero first; the validation split chooses."""

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class FrozenLinear:
    """Logistic regression on an encoder that does not learn. features: (N, H) by split."""

    datasets: dict[str, Dataset]
    features: dict[str, FloatArray]

    @classmethod
    def read(
        cls,
        config: RunConfig,
        desk: Desk | StreamedDesk,
        positions: Mapping[str, IntArray],
        listener: Listener,
    ) -> "FrozenLinear":
        """Runs tickets through the configuration's encoder once, with mean pooling, which suits an
        encoder that was not tuned better than its first token does (Reimers & Gurevych 2019,
        arXiv:1908.10084). positions: those to run, (M,), of train, validation and test.
        """
        device = choose(config.precision).device
        encoder = load_encoder(config.model.encoder, config.model.layers)
        encoded = desk.encode(Tokenizer(encoder.tokenizer, config.model.token_limit))
        datasets = {split: encoded[split].only(at_M) for split, at_M in positions.items()}
        plain = config.model.model_copy(update={"pooling": "mean", "sharing": HardConfig()})
        network = build_network(encoder.module, encoder.width, desk.tasks, plain).to(device)
        features = {}
        for split, dataset in datasets.items():
            name, total = f"reading the {split} split with the frozen encoder", len(dataset)
            every = freeze_features(
                network,
                dataset,
                device,
                lambda done: listener.progress(name, done, total),  # noqa: B023 - called within this turn alone
            )
            features[split] = every.features[desk.tasks[0].name].cpu().numpy()
        return cls(datasets, features)

    def scores(self, task: Task) -> FloatArray:
        """Log probabilities (M, C) for the test split, of the penalty that the validation split
        prefers by macro-F1.
        """
        labels_N = self.datasets["train"].labels(task.name)
        if len(np.unique(labels_N[labels_N != UNLABELLED])) < 2:
            return majority_scores(task, labels_N, len(self.datasets["test"]))
        validation_M = self.datasets["validation"].labels(task.name)
        fitted = [self._fit(labels_N, penalty) for penalty in PENALTIES]
        reached = [
            measure(task, self._said(task, one, "validation"), validation_M, resamples=0)
            for one in fitted
        ]
        best = int(np.argmax([found.get("macro_f1", 0.0) for found in reached]))
        return self._said(task, fitted[best], "test")

    def _fit(self, labels_N: IntArray, penalty: float) -> Any:
        known = labels_N != UNLABELLED
        regression = LogisticRegression(C=penalty, max_iter=1000, tol=1e-3)
        return make_pipeline(StandardScaler(), regression).fit(
            self.features["train"][known], labels_N[known]
        )

    def _said(self, task: Task, fitted: Any, split: str) -> FloatArray:
        features_MH = self.features[split]
        scores_MC = np.full((len(features_MH), task.classes), np.log(FLOOR))
        probabilities = fitted.predict_proba(features_MH)
        scores_MC[:, fitted.classes_] = np.log(np.maximum(probabilities, FLOOR))
        return scores_MC
