"""Isolation forest over rows of surprises. The only file that knows scikit-learn, and only when it is used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEED = 20261123


class ForestRanker:
    """Liu, Ting, Zhou: Isolation Forest (ICDM 2008). Higher means more unusual; seeded, so the same rows rank alike."""

    def __init__(self, seed: int = SEED, trees: int = 200) -> None:
        self.seed, self.trees = seed, trees

    def rank(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of ``rows`` (shape (n, features)) within themselves; zeros for fewer than 16."""
        if len(rows) < 16:
            return np.zeros(len(rows))
        from sklearn.ensemble import IsolationForest

        forest = IsolationForest(n_estimators=self.trees, max_samples=min(512, len(rows)), random_state=self.seed)
        # Only surprises count: a day more ordinary than ordinary is no anomaly, though it may lie apart.
        clipped = np.maximum(rows, 0.0)
        scores: NDArray[np.float64] = -forest.fit(clipped).score_samples(clipped)
        return scores
