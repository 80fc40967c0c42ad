"""`check`: is the attention profile of a model true?"""

from pathlib import Path
from typing import Any

from tsattn.config import require
from tsattn.json_files import write_json
from tsattn.model_directory import (
    changing,
    load_fitted,
)
from tsattn.outputs import check_output
from tsattn.page import write_page
from tsattn.pipeline.measuring import measure
from tsattn.pipeline.opening import directory_of
from tsattn.pipeline.refitting import profile_stability, shuffled_copies
from tsattn.pipeline.shown_windows import has_test_rows, shown_windows
from tsattn.pipeline.tables import Data
from tsattn.pipeline.training_data import check_same_rows, training_data
from tsattn.progress import Progress
from tsattn.saved_attention import FAITHFULNESS, read_profile
from tsattn.verdicts import judge


def check(
    model: str | Path,
    data: Data | None = None,
    *,
    seeds: int = 1,
    refit: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Test the attention profile saved with a model, and add the result to the model.

    The profile is compared with what happens when its cells are replaced in the windows it was
    made of, those of the test rows (validation without any). The result, which is also
    `attention/faithfulness.json`, has a `verdict`: `"trust"`, `"weak"` or `"no signal"`, its
    `reasons` in plain words, and what was measured.

    Args:
        model: A model directory.
        data: The data it was trained on; None for the file that it was read from.
        seeds: From 2 on, the profiles of so many seeds are compared: all but one are fitted anew.
        refit: Whether to fit anew with a shuffled copy of every covariate beside it.
        progress: Where notes and progress go.

    Raises:
        UsageError: the model has no attention, or the data is not given, gone or has changed.
        ModelDirectoryError: the directory is missing or altered.
    """
    require(seeds >= 1, "`seeds` must be at least 1.", f"seeds={seeds}", "Give a larger number.")
    directory, progress = directory_of(model), progress or Progress()
    fitted = load_fitted(directory)
    require(
        fitted.options.attention != "none",
        "A model must have attention to be checked.",
        "a model with attention none",
        "Fit one with --attention bottleneck.",
    )
    rule = "The saved profile can be checked on the data it was made of only."
    data = training_data(fitted, data, rule=rule, option="--data")
    check_output(directory, overwrite=True, is_directory=True, is_kept=True)
    name = "test" if has_test_rows(fitted, directory) else "val"
    shown = shown_windows(fitted, data, split=name, on_skip=lambda _: None, progress=progress)
    check_same_rows(fitted, shown.series, rule=rule)
    profile = read_profile(directory)
    progress.note("replacing the cells of the profile one by one")
    found = measure(fitted, profile, shown.windows, series=shown.series)
    assert found is not None  # only a test in limited time can be nothing
    if seeds > 1:
        found["seeds"] = profile_stability(fitted, data, profile, seeds, progress)
    if refit:
        found["refit"] = shuffled_copies(fitted, data, progress)
    found = {**found, **judge(found), "split": name}
    with changing(directory) as changed:
        write_json(changed / "attention" / FAITHFULNESS, found)
        write_page(changed)
    return found
