"""`predict_file`: forecasts of any number of series, at the memory of some of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tsattn.config import require
from tsattn.data.differences import check_matches
from tsattn.data.pieces import Pieces
from tsattn.data.places import rows_in_files
from tsattn.data.schema import Schema
from tsattn.data.series import check_columns, needed_columns
from tsattn.data.spilling import find_groups, read_spilled, spill
from tsattn.engines import Engine
from tsattn.fitted import FittedForecaster
from tsattn.forecast_files import ForecastSpool
from tsattn.outputs import check_output, working_folder
from tsattn.pipeline.ahead import ahead_schema
from tsattn.pipeline.dask_engine import check_engine, open_workers
from tsattn.pipeline.forecasting import Group, Rules, TableForecast, forecast_group
from tsattn.pipeline.opening import RUNTIME, Model, open_fitted, place_of
from tsattn.pipeline.portable import PortableModel
from tsattn.pipeline.predicting import check_asked, finish, forecast_data, make_rules, tell_notes
from tsattn.pipeline.reasoning import explanation_of, write_explained
from tsattn.progress import Progress

ROWS_AT_ONCE = 200_000  # also the default of the command line, which does not load this


@dataclass(frozen=True, kw_only=True)
class BatchForecast:
    """What a forecast of a file came to."""

    spool: ForecastSpool
    num_rows: int
    num_series: int
    num_skipped: int
    explanation: dict[str, Any] | None = None  # None where none was asked for


def predict_file(
    model: Model,
    data: str | Path,
    output: str | Path,
    *,
    future: str | Path | None = None,
    explain: int = 0,
    runtime: str = RUNTIME,
    max_age: str | None = None,
    fail_if_worse_than: str | None = None,
    follow: int | None = None,
    on_skip: Callable[[str], None] | None = None,
    overwrite: bool = False,
    rows_at_once: int = ROWS_AT_ONCE,
    engine: str = "single",
    dask_address: str | None = None,
    dask_workers: int | None = None,
    progress: Progress | None = None,
) -> BatchForecast:
    """Forecast all series of a file, or of a folder of files, into a CSV or Parquet file.

    Panels of more than `rows_at_once` rows are read in pieces and forecast in groups of series; the
    rows that a forecast needs wait in a hidden folder beside the output for their turn. The output
    appears whole, or not at all, and is the same as that of `predict`, which tells the arguments;
    where a column is far from zero for its spread, to the rounding of float32.

    With `engine="dask"` the groups are forecast by the workers of the scheduler at `dask_address`,
    or by `dask_workers` processes on this machine (2), which a script must start under
    `if __name__ == "__main__":`. The output has the same bytes.

    Raises:
        UsageError: the output exists and may not be overwritten; there is no Dask, or no scheduler.
        OutputError: it cannot be written.
        WorkersLostError: the workers are gone.
        As `predict`.
    """
    output = Path(output)
    check_output(output, overwrite=overwrite, is_directory=False)
    rules = make_rules(max_age, fail_if_worse_than, on_skip, explain, follow)
    with forecast_file(
        model,
        Path(data),
        output,
        future=None if future is None else Path(future),
        runtime=runtime,
        rules=rules,
        rows_at_once=rows_at_once,
        engine=Engine(name=engine, address=dask_address, workers=dask_workers),
        progress=progress or Progress(),
    ) as result:
        write_explained(result.spool, result.explanation, output, overwrite=overwrite)
        return result


@contextmanager
def forecast_file(
    model: Model,
    data: Path,
    output: Path | None,
    *,
    future: Path | None,
    runtime: str,
    rules: Rules,
    rows_at_once: int,
    engine: Engine,
    progress: Progress,
) -> Iterator[BatchForecast]:
    """Forecast a file and yield the forecasts, on disk where they are many; see `predict_file`."""
    require(
        rows_at_once >= 1,
        "`rows_at_once` must be at least 1.",
        f"rows_at_once={rows_at_once}",
        "Give a larger number.",
    )
    for read in (data, future):
        require(
            output is None or read is None or not output.exists() or not output.samefile(read),
            "The forecast must be another file than those it is made from.",
            f"{output} for both",
            "Name another output.",
        )
    check_engine(engine, model)
    fitted = open_fitted(model, runtime, progress)
    check_asked(fitted, future, rules)
    source = data.name
    if fitted.schema.id_column is None or not Pieces(data).has_more_rows_than(rows_at_once):
        if engine.name != "single":
            progress.note(f"{source}: one group of series, which this process forecasts")
        whole = forecast_data(fitted, data, future, rules, progress)
        finish(whole, rules, data)
        spool = ForecastSpool(data.parent, fitted.schema.freq)  # one table, which stays in memory
        assert whole.frame is not None
        spool.add(whole.frame)
        yield _batch_forecast(spool, whole, rules)
        return
    with working_folder(output) as folder, rows_in_files(data):
        spool, total = ForecastSpool(folder, fitted.schema.freq), TableForecast()
        with _forecaster(engine, fitted, model, runtime, folder, rules, progress) as forecasts:
            batch = _Batch(fitted, data, future, folder, rules, rows_at_once)
            with progress.bar("forecasting") as bar:
                for number, result in enumerate(forecasts(batch.groups())):
                    if result.frame is not None:
                        spool.add(result.frame)
                    result.frames = []
                    total.add(result)
                    bar(number + 1, batch.count)
        spool.close()
        tell_notes(total, data, progress)
        finish(total, rules, data)
        yield _batch_forecast(spool, total, rules)


@contextmanager
def _forecaster(
    engine: Engine,
    fitted: FittedForecaster,
    model: Model,
    runtime: str,
    folder: Path,
    rules: Rules,
    progress: Progress,
) -> Iterator[Callable[[Iterable[Group]], Iterator[TableForecast]]]:
    """Yield what forecasts one group after another, in their order."""
    place = place_of(model)
    if engine.name == "single" or place is None:
        yield lambda groups: (forecast_group(fitted, group, rules) for group in groups)
        return
    portable = PortableModel.read(place, runtime)
    with open_workers(engine, folder, progress) as workers:
        yield lambda groups: workers.forecasts(groups, portable, rules)


def _batch_forecast(spool: ForecastSpool, result: TableForecast, rules: Rules) -> BatchForecast:
    return BatchForecast(
        spool=spool,
        num_rows=spool.num_rows,
        num_series=result.num_series,
        num_skipped=len(result.skipped),
        explanation=explanation_of(result.reasons) if rules.explain else None,
    )


class _Batch:
    """A table whose series are forecast group by group."""

    def __init__(
        self,
        fitted: FittedForecaster,
        data: Path,
        future: Path | None,
        folder: Path,
        rules: Rules,
        rows_at_once: int,
    ) -> None:
        self.fitted, self.rules = fitted, rules
        self.source = data.name
        self.future_source = None if future is None else future.name
        self._rows = rows_at_once
        self._last = rules.rows_read(fitted)
        self._data_folder, self._future_folder = folder / "data", folder / "future"
        schema = fitted.schema
        pieces = Pieces(data, schema.csv_hints)
        check_matches(pieces.head(rows_at_once), schema, self.source)
        size = None if self._last is None else self._last + fitted.horizon
        self._groups = find_groups(
            pieces, schema, self.source, rows_at_once=rows_at_once, last=size
        )
        self._spill(pieces, schema, self.source, self._data_folder)
        if future is not None:
            known = ahead_schema(schema)
            rows_ahead = Pieces(future, schema.csv_hints)
            check_columns(rows_ahead.head(1), needed_columns(known), future.name)
            self._spill(rows_ahead, known, future.name, self._future_folder)

    def _spill(self, pieces: Pieces, schema: Schema, source: str, folder: Path) -> None:
        folder.mkdir()
        rows, last = self._rows, self._last
        spill(pieces, schema, source, self._groups, folder, rows_at_once=rows, last=last)

    def _read(self, folder: Path, group: int, schema: Schema) -> pd.DataFrame | None:
        return read_spilled(folder, group, schema, rows_at_once=self._rows, last=self._last)

    @property
    def count(self) -> int:
        """Number of groups."""
        return self._groups.count

    def groups(self) -> Iterator[Group]:
        """Yield one group of series after another, in the order of their ids."""
        known = ahead_schema(self.fitted.schema)
        for number in range(self.count):
            frame = self._read(self._data_folder, number, self.fitted.schema)
            if frame is None:
                continue
            ahead = []
            if self.future_source is not None:
                table = self._read(self._future_folder, number, known)
                ahead = [] if table is None else [(table, self.future_source)]
            yield Group(
                frame=frame,
                source=self.source,
                ahead=ahead,
                num_rows=self._groups.num_rows_of(number),
            )
