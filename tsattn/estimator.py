"""A scikit-learn style estimator over the functions of the pipeline.

The pipeline is imported in the methods, since the parameter `backend` must come before Keras.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from tsattn.backend import select_backend
from tsattn.config import FitOptions, option_names
from tsattn.pipeline.tables import Data

if TYPE_CHECKING:
    from tsattn.fitted import FittedForecaster


@dataclass(kw_only=True, eq=False, repr=False)
class AttentionForecaster(FitOptions, BaseEstimator):
    """Learn to forecast columns of a table, and show what the attention looks at.

    Its parameters are the fields of `FitOptions`, which are also the options of `tsattn fit`.

    Attributes (after `fit`):
        fitted_: The trained model with its schema and scaler.
        result_: Scores, history and forecasts of the fit; only where it was fitted, not loaded.

    Example:
        forecaster = AttentionForecaster(target="load", lookback=168, horizon=24).fit(frame)
        forecast = forecaster.predict(frame.tail(168))
    """

    def fit(self, X: Data, y: None = None) -> "AttentionForecaster":
        """Learn from a DataFrame or a file; the target is one of its columns."""
        options = FitOptions(**{name: getattr(self, name) for name in option_names()})
        select_backend(self.backend)
        from tsattn.pipeline import fitting

        self.result_ = fitting.fit(X, options)
        self.fitted_ = self.result_.fitted
        return self

    def predict(self, X: Data, future: Data | None = None, explain: int = 0) -> pd.DataFrame:
        """Return the forecast of the steps after the last row, see `tsattn.predict`."""
        from tsattn.pipeline import predicting

        return predicting.predict(self._fitted(), X, future=future, explain=explain)

    def explain(
        self,
        X: Data,
        split: str = "all",
        *,
        window: object | None = None,
        series: str | None = None,
        by: str | None = None,
    ) -> pd.DataFrame:
        """Return the attention profile over windows of a table, see `tsattn.explain`."""
        from tsattn.pipeline import explaining

        return explaining.explain(
            self._fitted(), X, split=split, window=window, series=series, by=by
        )

    def rank_features(self, X: Data, split: str = "all") -> pd.DataFrame:
        """Return which features the forecast rests on, see `tsattn.rank_features`."""
        from tsattn.pipeline import explaining

        return explaining.rank_features(self._fitted(), X, split=split)

    def explain_horizon(self, X: Data, split: str = "all") -> pd.DataFrame:
        """Return what a recurrent decoder looks at, see `tsattn.explain_horizon`."""
        from tsattn.pipeline import explaining

        return explaining.explain_horizon(self._fitted(), X, split=split)

    def evaluate(self, X: Data) -> dict[str, Any]:
        """Return the errors on rows later than those of the fit, see `tsattn.evaluate`."""
        from tsattn.pipeline import evaluating

        return evaluating.evaluate(self._fitted(), X).evaluation.to_json()

    def score(self, X: Data, y: None = None) -> float:
        """Return minus the mean squared error, scaled, on rows later than those of the fit."""
        return -float(self.evaluate(X)["scaled"]["mse"]["overall"])

    def save(self, directory: str | Path, *, overwrite: bool = False) -> None:
        """Write the model directory; needs the result of a fit in this process."""
        self._fitted()
        if not hasattr(self, "result_"):
            raise NotFittedError(
                "Only a forecaster that was fitted here can be saved. Received: a loaded one. "
                "Copy its directory instead."
            )
        from tsattn.pipeline import fitting

        fitting.save(self.result_, Path(directory), overwrite=overwrite)

    @classmethod
    def load(cls, directory: str | Path, *, runtime: str = "onnx") -> "AttentionForecaster":
        """Return the forecaster of a model directory, see `load`."""
        from tsattn.model_directory import load_fitted

        fitted = load_fitted(directory, runtime=runtime)
        forecaster = cls(**asdict(fitted.options))
        forecaster.fitted_ = fitted
        return forecaster

    def _fitted(self) -> "FittedForecaster":
        if not hasattr(self, "fitted_"):
            raise NotFittedError("A forecaster must be fitted first. Received: none. Call fit.")
        return self.fitted_


def load(directory: str | Path, *, runtime: str = "onnx") -> AttentionForecaster:
    """Return the forecaster of a model directory, after checking it.

    ONNX Runtime runs it, and Keras is not loaded; with `runtime="keras"`, or where there is no
    `model.onnx`, its `fitted_.model` is a Keras model.
    """
    return AttentionForecaster.load(directory, runtime=runtime)
