"""`predict`: the forecast that follows the last known row of every series."""

from collections.abc import Callable

import pandas as pd

from tsattn.config import require
from tsattn.data.differences import check_matches
from tsattn.data.places import named_in_files, rows_in_files
from tsattn.data.series import check_columns, needed_columns
from tsattn.data.skipping import common_kind
from tsattn.fitted import FittedForecaster
from tsattn.option_types import as_type
from tsattn.pipeline.ahead import ahead_schema
from tsattn.pipeline.forecasting import Rules, TableForecast, forecast_table
from tsattn.pipeline.freshness import MaxAge
from tsattn.pipeline.gating import Gate
from tsattn.pipeline.opening import RUNTIME, Model, open_fitted
from tsattn.pipeline.reasoning import ExplainedForecast, explanation_of
from tsattn.pipeline.shown_windows import check_attention
from tsattn.pipeline.tables import Data, as_table, source_of
from tsattn.pipeline.widening import Follow
from tsattn.progress import Progress


def predict(
    model: Model,
    data: Data,
    *,
    future: Data | None = None,
    explain: int = 0,
    runtime: str = RUNTIME,
    max_age: str | None = None,
    fail_if_worse_than: str | None = None,
    follow: int | None = None,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Forecast the `horizon` steps that follow the last known target of every series.

    `predict_file` does the same for more series than fit into memory.

    Args:
        model: A model directory or a fitted forecaster.
        data: At least `lookback` rows of every series. Rows at the end without a target are known
            ahead: their future covariates are read.
        future: More rows known ahead: the time, the id and the future covariates. Without a time
            column, which only a model of rows without a time allows, they are the steps after the
            last known row, in their order.
        explain: How many columns `why_1`, `why_2`, … to add: the largest cells of each window, see
            `add_reasons`; at most as many as there are cells.
        runtime: What runs a model directory: `"onnx"`, without loading Keras, or `"keras"`.
        max_age: How old the last known row of a series may be, such as `"2h"`.
        fail_if_worse_than: A baseline that the model must not be worse than, on the last known
            `horizon` rows of all series together.
        follow: How many of the last known rows of each series the intervals follow, of those that
            the model has not seen, see `tsattn.following`; None for 1000, at most 250 horizons, or
            0 of a panel.
        on_skip: Called with the reason for each series of a panel that cannot be forecast, while
            the others are; None makes it an error.
        progress: Where notes go.

    Returns:
        A table as `Forecast.to_frame` describes, in original units.

    Raises:
        UsageError: the attention does not compare cells, which is needed to explain a forecast.
        SchemaMismatchError: the data differs from the training data.
        DataError: a series is too short, too old or has gaps, or a future covariate is missing.
        QualityGateError: the model is worse than the baseline.
    """
    return predict_with_reasons(
        model,
        data,
        future=future,
        explain=explain,
        runtime=runtime,
        max_age=max_age,
        fail_if_worse_than=fail_if_worse_than,
        follow=follow,
        on_skip=on_skip,
        progress=progress,
    ).forecast


def predict_with_reasons(
    model: Model,
    data: Data,
    *,
    future: Data | None = None,
    explain: int = 3,
    runtime: str = RUNTIME,
    max_age: str | None = None,
    fail_if_worse_than: str | None = None,
    follow: int | None = None,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> ExplainedForecast:
    """Forecast as `predict` does; return the explanation too, ready for JSON."""
    progress = progress or Progress()
    rules = make_rules(max_age, fail_if_worse_than, on_skip, explain, follow)
    fitted = open_fitted(model, runtime, progress)
    check_asked(fitted, future, rules)
    result = forecast_data(fitted, data, future, rules, progress)
    finish(result, rules, data)
    forecast = result.frame
    assert forecast is not None  # `finish` saw that something was forecast
    return ExplainedForecast(forecast, explanation_of(result.reasons) if explain else None)


def forecast_data(
    fitted: FittedForecaster, data: Data, future: Data | None, rules: Rules, progress: Progress
) -> TableForecast:
    """Read the data as a whole and forecast it; pass on notes.

    Raises:
        SchemaMismatchError: the data differs from the training data.
        DataError: a series at fault that may not be skipped.
    """
    frame, source, notes = as_table(data, fitted.schema.csv_hints)
    check_matches(frame, fitted.schema, source)
    ahead = [] if future is None else [as_table(future, fitted.schema.csv_hints)[:2]]
    for table, name in ahead:
        check_columns(table, needed_columns(ahead_schema(fitted.schema)), name)
    with rows_in_files(data):
        result = forecast_table(fitted, frame, source, ahead, rules)
    result.notes = [*notes, *result.notes]
    tell_notes(result, data, progress)
    return result


def tell_notes(result: TableForecast, data: Data, progress: Progress) -> None:
    """Pass on the notes on a forecast."""
    for note in dict.fromkeys(result.notes):
        progress.note(note)
    if result.not_followed:
        count, first = len(result.not_followed), named_in_files(result.not_followed[0], data)
        whose = f"intervals of {count:,} series" if count > 1 else "intervals"
        progress.note(f"{whose} do not follow the last rows, which cannot be read: {first}")


def make_rules(
    max_age: str | None,
    fail_if_worse_than: str | None,
    on_skip: Callable[[str], None] | None,
    explain: int = 0,
    follow: int | None = None,
) -> Rules:
    """Return what is asked of the series and the model.

    Raises:
        UsageError: no length of time, no baseline, or no number of rows or cells.
    """
    return Rules(
        max_age=None if max_age is None else MaxAge.parse(max_age),
        gate=None if fail_if_worse_than is None else Gate(fail_if_worse_than),
        follow=Follow(follow),
        on_skip=on_skip,
        explain=as_type("explain", explain, int),
    )


def check_asked(fitted: FittedForecaster, future: Data | None, rules: Rules) -> None:
    """Raise a UsageError for what a model does not have: reasons, intervals, future covariates."""
    if rules.explain:
        check_attention(fitted.options.attention)
    rules.follow.check(fitted)
    require(
        future is None or bool(fitted.schema.future_covariates),
        "`future` gives the future covariates of the horizon.",
        "`future` for a model that has none",
        "Leave it out.",
    )


def finish(result: TableForecast, rules: Rules, data: Data) -> None:
    """Report the skipped series, and raise where there is no forecast, or none that may be kept.

    Raises:
        DataError, SchemaMismatchError: no series could be forecast.
        QualityGateError: the model is worse than the gate of the rules.
    """
    source = source_of(data)
    skipped = [named_in_files(error, data) for error in result.skipped]
    if not result.num_series and len(skipped) == 1:
        raise skipped[0]
    if rules.on_skip is not None:
        for reason in skipped:
            rules.on_skip(str(reason))
    if not result.num_series:
        raise common_kind(skipped)(
            f"{source}: a series must be complete to be forecast. Received: {len(skipped)} "
            "series, none of which is. Complete them as said for each."
        )
    if rules.gate is not None:
        rules.gate.check(result.score, source)
