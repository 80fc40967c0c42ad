"""The attention profile as a heat map that says its numbers where one points at it."""

import numpy as np
import pandas as pd

from tsattn.page.markup import Markup, join, number, tag
from tsattn.profiles import attention_rows

MAX_FEATURES = 40
MAX_CELLS = 400  # of a feature; more lags are drawn in groups
_UNITS = {
    "share": "of the attention",
    "nats": "nats",
    "contribution": "standard deviations",
    "forecast": "of the forecast",
}


def profile_cells(profile: pd.DataFrame) -> pd.DataFrame:
    """Return `feature, lag_first, lag_last, mean` of the attention.

    The mean is that over the targets that read a feature and over the parts of the horizon; the
    lags of a long lookback are put into groups, each with the mean over its lags, or the sum of
    their shares in the forecast.
    """
    rows = attention_rows(profile)
    keys = ["feature", "lag_first", "lag_last"]
    cells = rows.groupby(keys, sort=False)["mean"].mean().reset_index()
    lags = cells["lag_first"].nunique()
    if lags > MAX_CELLS:
        group = (cells["lag_first"] - 1) // -(-lags // MAX_CELLS)
        grouped = cells.groupby(["feature", group.rename("group")], sort=False)
        together = "sum" if rows["measure"].iloc[0] == "forecast" else "mean"
        cells = grouped.agg(
            lag_first=("lag_first", "min"), lag_last=("lag_last", "max"), mean=("mean", together)
        ).reset_index()[[*keys, "mean"]]
    return cells


def heatmap(profile: pd.DataFrame) -> Markup:
    """Return a table with a strip of cells for each feature, the past at the left."""
    cells, measure = profile_cells(profile), str(profile["measure"].iloc[0])
    largest = float(cells["mean"].abs().max()) or 1.0
    edges = int(cells["lag_last"].max()), int(cells["lag_first"].min())
    names = _shown(cells)
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", _strip(cells[cells["feature"] == name], measure, largest, edges)),
        )
        for name in names
    ]
    left_out = cells["feature"].nunique() - len(names)
    more = f"; the {left_out} with the least are left out" if left_out else ""
    ends = tag("div", *(tag("span", _where(lag, lag)) for lag in edges), class_="ends")
    caption = f"Features by lags. Full colour is {_amount(largest, measure)}{more}."
    return join(
        tag(
            "table",
            tag("caption", tag("span", caption)),
            tag(
                "thead",
                tag("tr", tag("th", "feature", scope="col"), tag("th", ends, scope="col")),
            ),
            tag("tbody", *rows),
            class_="heat",
        )
    )


def _amount(value: float, measure: str) -> str:
    """Say how much a cell has."""
    form = "{:.1%}" if measure == "forecast" else "{:.4g}"
    return f"{number(value, form)} {_UNITS[measure]}"


def _shown(cells: pd.DataFrame) -> list[str]:
    """Return the features to show, in their own order: those of the largest cells."""
    peaks = cells["mean"].abs().groupby(cells["feature"], sort=False).max()
    kept = set(peaks.nlargest(MAX_FEATURES).index)
    return [str(name) for name in cells["feature"].unique() if name in kept]


def _where(first: int, last: int) -> str:
    """Say which lags are meant; those of the horizon by its steps."""
    name = "lag" if first > 0 else "horizon step"
    first, last = (first, last) if first > 0 else (1 - last, 1 - first)
    return f"{name} {first}" if first == last else f"{name}s {first} to {last}"


def _strip(rows: pd.DataFrame, measure: str, largest: float, edges: tuple[int, int]) -> Markup:
    """Return the cells of one feature, between the oldest and the newest lag, as an image."""
    rects = []
    oldest, newest = edges
    for first, last, mean in rows[["lag_first", "lag_last", "mean"]].itertuples(index=False):
        where = _where(int(first), int(last))
        rects.append(
            tag(
                "g",
                tag("title", f"{where}: {_amount(float(mean), measure)}"),
                tag(
                    "rect",
                    x=f"{oldest - last:.0f}",
                    y=0,
                    width=f"{last - first + 1:.0f}",
                    height=1,
                    fill_opacity=f"{abs(mean) / largest:.3f}",
                    **({"class_": "negative"} if mean < 0 else {}),
                ),
            )
        )
    peak = rows.iloc[int(np.argmax(rows["mean"].abs()))]
    where = _where(int(peak["lag_first"]), int(peak["lag_last"]))
    amount = _amount(float(peak["mean"]), measure)
    label = f"peak at {where}: {amount}" if peak["mean"] else "nothing"
    return tag(
        "svg",
        *rects,
        viewBox=f"0 0 {oldest - newest + 1} 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )
