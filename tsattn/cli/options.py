"""The options of the commands; the defaults of `fit` are those of `FitOptions`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from tsattn import config
from tsattn.cli.config_files import read_config
from tsattn.cli.overruling import give_way, remember_config

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path, readable=False)  # reading says why, and is logged
DEFAULTS = config.FitOptions()


def combined(*groups: Sequence[Decorator]) -> Decorator:
    """Return one decorator for groups of options, in the order of the help."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for group in reversed(groups):
            for option in reversed(group):
                command = option(command)
        return command

    return decorate


def fit_options(given: dict[str, Any]) -> config.FitOptions:
    """Return the options of a fit from those that were given, by command line or config.

    A config's empty list of columns is one too: it means none, where the default may mean all.
    """
    source = click.get_current_context().get_parameter_source
    wanted = {
        name: value
        for name, value in given.items()
        if value is not None and source(name) is not ParameterSource.DEFAULT
    }
    from_file = {name for name in wanted if source(name) is ParameterSource.DEFAULT_MAP}
    give_way(wanted, from_file, click.get_current_context())
    return config.FitOptions(**wanted)


def default_output(kind: str, wanted: config.FitOptions) -> Path:
    """Return the folder that is written where none is named, such as `model-load`."""
    return Path(f"{kind}-" + "-".join(config.as_names(wanted.target)).replace("/", "_"))


def _option(name: str, text: str, shown: str | None = None, **attributes: Any) -> Decorator:
    """Return an option of `fit` without a default of its own; the help shows `FitOptions`'."""
    default = getattr(DEFAULTS, name.strip("-").replace("-", "_"))
    if shown is None and default not in (None, ()) and default is not False:
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return click.option(name, help=text, default=None, show_default=shown or False, **attributes)


def _of_presets(name: str, otherwise: str = "") -> str:
    """Return the default of an option, and that of the presets which have another."""
    values = {key: str(preset[name] or otherwise) for key, preset in config.PRESETS.items()}
    usual = values[DEFAULTS.preset]
    others = [f"{value} with {key}" for key, value in values.items() if value != usual]
    return "; ".join([usual, *others])


def _num_batches() -> str:
    """Return how many batches a training has, and those of the presets which have others."""
    usual = config.NUM_BATCHES[DEFAULTS.preset]
    others = [f"{n:,} with {key}" for key, n in config.NUM_BATCHES.items() if n != usual]
    return ", ".join([f"{usual:,} batches", *others])


def _columns(name: str, text: str, shown: str | None = None) -> Decorator:
    text = f"{text} Repeat it or use commas."
    return _option(name, text, shown, multiple=True, metavar="COLUMN")


def _choice(name: str, choices: Sequence[str], text: str, shown: str | None = None) -> Decorator:
    return _option(name, text, shown, type=click.Choice(choices))


def _read_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the options of a file the defaults of the command line, which then wins over it."""
    if path is None:
        return
    own = {str(parameter.name).removeprefix("as_") for parameter in ctx.command.params}
    given, is_settled = read_config(path, str(ctx.command.name), own)
    remember_config(ctx, path, is_settled)
    if "json" in given:
        given["as_json"] = given.pop("json")
    multiple = {parameter.name for parameter in ctx.command.params if parameter.multiple}
    for name, value in given.items():
        if name in multiple:
            given[name] = config.as_names(value)
        elif isinstance(value, list):
            given[name] = ",".join(map(str, value))
    ctx.default_map = {**(ctx.default_map or {}), **given}


data_argument = click.argument("data", type=PATH)
model_argument = click.argument("model", type=PATH)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML or JSON file of options, or a model's config.json; the command line wins.",
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(config.RUNTIMES),
    default="onnx",
    show_default=True,
    help="What runs the network; keras takes seconds to start.",
)
printing_options = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
    click.option("--quiet", "-q", is_flag=True, help="Print no progress and no notes."),
)
output_options = (
    click.option("--overwrite", is_flag=True, help="Replace the output if it exists."),
    *printing_options,
)
data_options = (
    _columns("--target", "Column to forecast, or `all`."),
    _columns("--time-col", "Time column, or the columns that make it.", "found by itself"),
    _option("--time-format", "Format of the times, such as %d/%m/%Y.", metavar="FORMAT"),
    _option("--id-col", "Column that tells several series apart.", metavar="COLUMN"),
    _columns("--past-covariates", "Columns known up to the present.", "all other columns"),
    _columns("--future-covariates", "Columns known for the horizon too."),
    _columns("--drop", "Columns to leave out."),
    _option(
        "--calendar",
        f"auto, none, or a list of {', '.join(config.CALENDAR_FIELDS)}.",
        metavar="FIELDS",
    ),
    _choice("--fill", config.FILLS, "Fill missing values from earlier ones."),
    _option("--score-filled", "Use windows with a filled target too.", is_flag=True),
)
window_options = (
    _option("--lookback", "Past steps the model reads.", "from frequency and length", type=int),
    _option("--horizon", "Steps ahead to forecast.", "from frequency and length", type=int),
    _option("--split", "Train, validation and test: fractions or rows.", metavar="A,B,C"),
)
attention_option = _choice(
    "--attention",
    config.ATTENTIONS,
    "How the lookback is attended to.",
    "bottleneck; per-dimension with --encoder joint",
)
seed_option = _option("--seed", "The same seed gives the same forecasts.", type=int)
model_options = (
    _choice(
        "--preset",
        tuple(config.PRESETS),
        "How much to learn: chooses what is not given of the options that name it.",
    ),
    _choice(
        "--encoder",
        config.ENCODERS,
        "Recurrent layers that read each feature by itself, or all together.",
        "per-feature where the attention can follow it",
    ),
    _option(
        "--segment", "Steps the per-feature encoder reads at once.", "from the lookback", type=int
    ),
    _choice(
        "--decoder",
        config.DECODERS,
        "Forecast all steps at once, or one after another, attending anew at each.",
    ),
    _choice(
        "--placement",
        config.PLACEMENTS,
        "Attention before the recurrent layers or after them.",
        "what is usual for the attention",
    ),
    _choice(
        "--linear-path",
        config.LINEAR_PATHS,
        "Blend the linear forecast in, as far as it helps on validation rows.",
        "blend; none with reverse-time",
    ),
    _choice("--cell", config.CELLS, "Recurrent cell."),
    _option("--units", "Hidden units of a recurrent layer.", _of_presets("units"), type=int),
    _option("--num-layers", "Recurrent layers.", type=int),
    _option(
        "--views",
        "2: a second network, behind gates of its own, has no level of covariates.",
        _of_presets("views", "2 where a target and a covariate drift, else 1"),
        type=int,
    ),
    _option(
        "--members",
        "Networks of each view, trained together; their mean is the forecast.",
        _of_presets("members"),
        type=int,
    ),
    _option("--dropout", "Share of the encoded window dropped in training.", type=float),
    _choice(
        "--normalization",
        config.NORMALIZATIONS,
        "What is taken off each window; auto: standard where the level carries over.",
    ),
)
training_options = (
    _choice("--loss", config.LOSSES, "Loss to minimise."),
    _option(
        "--quantile-levels",
        "Levels of the quantile loss.",
        ",".join(map(str, config.DEFAULT_QUANTILE_LEVELS)),
        metavar="LEVELS",
    ),
    _option(
        "--level",
        "Levels of the prediction intervals in percent, or none. Calibrated on validation rows; "
        "on test rows they follow how many values they held.",
        metavar="LEVELS",
    ),
    _option(
        "--learning-rate",
        "Largest step size.",
        _of_presets("learning_rate"),
        type=float,
    ),
    _option("--batch-size", "Windows per batch.", "128; fewer of several targets", type=int),
    _option(
        "--epochs",
        "Epochs at most.",
        f"from 6 to 100, those of {_num_batches()}; half of these with two views, and at "
        "most 1,000 of several targets",
        type=int,
    ),
    _option(
        "--patience",
        "Epochs without improvement before a training that overfits is stopped.",
        type=int,
    ),
    _option("--clip-norm", "Largest norm of the gradient.", type=float),
    _option(
        "--windows-per-epoch",
        "Windows drawn for each epoch; half as many with two views.",
        f"{_of_presets('windows_per_epoch', 'all')}; fewer of several targets",
        type=int,
    ),
    seed_option,
    _choice("--backend", config.BACKENDS, "Backend of Keras.", "KERAS_BACKEND, or tensorflow"),
)
fitting_options = (  # all that a single fit can be told
    *data_options,
    *window_options,
    attention_option,
    *model_options,
    *training_options,
)
