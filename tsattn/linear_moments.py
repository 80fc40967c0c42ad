"""Mean products of what a regression reads and forecasts, summed batch by batch."""

from dataclasses import dataclass

import numpy as np

from tsattn.baselines import regressors
from tsattn.data.windows import Windows

BATCH = 1024


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Means over windows, of the regressors x and of y, what targets change by from the last value.

    They are all that fitting a regression and its squared error take, however many windows.
    """

    gram: np.ndarray  # (regressors + 1, regressors + 1): x xᵀ
    moment: np.ndarray  # (targets, regressors + 1, horizon): x yᵀ
    squares: np.ndarray  # (targets, horizon): y²

    def part(self, targets: slice, columns: np.ndarray) -> "Moments":
        """Return those of some targets, and of the regressors in some columns."""
        return Moments(
            gram=self.gram[np.ix_(columns, columns)],
            moment=self.moment[targets][:, columns],
            squares=self.squares[targets],
        )

    def errors(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean squared error of each target and step: (targets, horizon).

        Args:
            weights: (targets, regressors + 1, horizon).
        """
        products = self.gram @ weights - 2 * self.moment
        errors = np.einsum("trh,trh->th", weights, products) + self.squares
        return np.asarray(np.maximum(errors, 0))


def moments_of(windows: Windows, inputs: str, num_calendar_features: int) -> Moments:
    """Return the moments of windows; see `LinearBaseline` for what is read of them."""
    gram: np.ndarray | float = 0.0
    moment: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0
    for _, batch in windows.batches(BATCH):
        x = regressors(batch, inputs, num_calendar_features).astype(np.float64)
        last = batch.inputs[:, -1:, : windows.num_targets]
        y = (batch.targets - last).transpose(2, 0, 1).astype(np.float64)
        gram = gram + x.T @ x
        moment = moment + x.T @ y
        squares = squares + np.square(y).sum(axis=1)
    return Moments(
        gram=np.asarray(gram) / len(windows),
        moment=np.asarray(moment) / len(windows),
        squares=np.asarray(squares) / len(windows),
    )
