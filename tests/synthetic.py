"""Small series with a known cause, for the tests."""

from dataclasses import replace

import numpy as np
import pandas as pd


def load_frame(rows: int = 307, seed: int = 5) -> pd.DataFrame:
    """Return an hourly table: `load` follows `wind` two hours later and `plan` at once."""
    generator = np.random.default_rng(seed)
    times = pd.date_range("2021-03-01", periods=rows, freq="h")
    wind, plan, noise = generator.normal(size=(3, rows))
    day = np.sin(2 * np.pi * np.arange(rows) / 24)
    load = 50 + 3 * day + 2 * np.roll(wind, 2) + 2 * plan + 0.1 * noise
    return pd.DataFrame({"time": times, "load": load, "wind": wind, "plan": plan})


def rebuilt(fitted, **changes):
    """Return a forecaster of another schema with the same features; its network is untrained."""
    from tsattn.building import build_model

    schema = replace(fitted.schema, **changes)
    options = replace(fitted.options, linear_path="none")
    weights = np.zeros((len(schema.targets), options.lookback + 1, options.horizon), "float32")
    linear = replace(fitted.linear, inputs="own", weights=weights, num_calendar_features=0)
    model = build_model(options, schema, fitted.scaler, linear)
    changed = {"options": options, "schema": schema, "model": model, "linear": linear}
    return replace(fitted, **changed, calibration=None)


SMALL = {
    "target": "load",
    "lookback": 11,
    "horizon": 3,
    "units": 5,
    "epochs": 2,
    "batch_size": 31,
}


def panel_frame(names: str = "abcde", rows: int = 61) -> pd.DataFrame:
    """Return a table of one series a letter; the last 3 rows of each, the horizon, are ahead."""
    towns = [load_frame(rows, seed).assign(town=name) for seed, name in enumerate(names, 1)]
    frame = pd.concat(towns, ignore_index=True)
    is_ahead = frame.groupby("town").cumcount() >= rows - 3
    frame.loc[is_ahead, ["load", "wind"]] = np.nan
    return frame
