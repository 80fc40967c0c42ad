import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from synthetic import SMALL, load_frame

from tsattn import FitOptions
from tsattn.cells import largest_cells
from tsattn.cli import main
from tsattn.linear_profiles import ALL_LINEAR
from tsattn.model_directory import read_options
from tsattn.page import build_page, write_page
from tsattn.page.accuracy import verdict
from tsattn.page.heatmap import MAX_CELLS, heatmap, profile_cells
from tsattn.page.markup import Markup, join, moment, number, table, tag
from tsattn.page.reproducing import fit_command
from tsattn.pipeline.explaining import saved_explanation
from tsattn.pipeline.fitting import fit, save
from tsattn.saved_attention import read_profile

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
EVIL = '<script>document.title="broken"</script>'
FAITHFUL = {
    "verdict": "weak",
    "reasons": [f"Two fits disagree on {EVIL}."],
    "agreement": {"by_cell": 0.25, "by_feature": None, "skill_over_uniform": 0.371},
    "seeds": {"num_seeds": 3, "stability": 0.27},
}


class Elements(HTMLParser):
    """Collects the elements of a page, and checks that each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, name, attributes) -> None:
        self.found.append((name, dict(attributes)))
        if name not in ("meta", "img"):
            self.open.append(name)

    def handle_startendtag(self, name, attributes) -> None:
        self.found.append((name, dict(attributes)))

    def handle_endtag(self, name) -> None:
        assert self.open.pop() == name

    def all(self, name: str) -> list[dict]:
        return [attributes for found, attributes in self.found if found == name]


@pytest.fixture(scope="module")
def evil_directory(tmp_path_factory):
    """Return a model of columns that hold HTML, with a ranking and a verdict."""
    path = tmp_path_factory.mktemp("models") / "evil"
    names = {"load": EVIL, "wind": "a&b" * 30, "plan": '" onload="x'}
    frame = load_frame(151).rename(columns=names)
    options = {**SMALL, "epochs": 1, "target": [EVIL], "drop": [], "attention": "bottleneck"}
    save(fit(frame, FitOptions(**options)), path)
    (path / "attention" / "faithfulness.json").write_text(json.dumps(FAITHFUL))
    (path / "attention" / "ranking.csv").write_text(
        f'target,feature,role,share,low,high,rank\nNA,"{EVIL.replace(chr(34), chr(34) * 2)}",past,'
        "0.625,0.5,0.75,1\nNA,b,future,0.375,0.25,0.5,2\n"
    )
    write_page(path)
    return path


def test_every_text_is_escaped_once() -> None:
    assert tag("td", "<b> & \"'", title='">') == (
        '<td title="&quot;&gt;">&lt;b&gt; &amp; &quot;&#x27;</td>'
    )
    assert tag("p", tag("b", "<"), "<", class_="x", aria_label="y") == (
        '<p class="x" aria-label="y"><b>&lt;</b>&lt;</p>'
    )
    assert join("<", Markup("<br>"), 5) == "&lt;<br>5"
    assert tag("meta", name="viewport") == '<meta name="viewport">'
    assert '<th scope="row">&lt;i&gt;</th>' in table(["a"], [["<i>"]], caption="c")


def test_numbers_and_times_are_plain() -> None:
    assert [number(value) for value in (0.12345, None, float("nan"), 3)] == [
        "0.1235", "–", "–", "3",
    ]  # fmt: skip
    assert moment("2021-03-01T05:00:00") == "2021-03-01 05:00"
    assert moment("2021-03-01T05:00:00+01:00") == "2021-03-01 05:00+01:00"
    assert moment("2021-03-01T00:00:07") == "2021-03-01 00:00:07"
    assert moment("217") == "217"


def test_page_is_in_the_model_directory_and_needs_nothing_else(model_directory) -> None:
    page = (model_directory / "report.html").read_text("utf-8")
    assert page == build_page(model_directory)
    elements = Elements(page)
    assert not re.search(r"https?://|url\(|@import", page)
    assert not elements.all("script")
    assert not elements.all("link")
    assert {each["src"][:22] for each in elements.all("img")} == {"data:image/png;base64,"}
    assert all(each["alt"] for each in elements.all("img"))
    assert len(elements.all("img")) == 4  # error by step, forecast, profile, loss
    assert elements.all("html") == [{"lang": "en"}]
    (policy,) = [each for each in elements.all("meta") if "http-equiv" in each]
    assert policy["content"].startswith("default-src 'none'")


def test_page_says_what_the_files_say(model_directory, csv_path) -> None:
    page = build_page(model_directory)
    metrics = json.loads((model_directory / "metrics.json").read_text())
    text = html.unescape(re.sub(r"<[^>]*>", " ", page))
    for forecaster in (metrics["test"], *metrics["test"]["baselines"].values()):
        assert f" {number(forecaster['original']['mse']['overall'])} " in text
    covered = metrics["test"]["intervals"]["80"]["coverage"]["overall"]
    assert re.search(rf" 80 %\s+{covered:.1%} ", text)
    assert "30 validation windows" in text
    assert ALL_LINEAR in text
    cells = saved_explanation(model_directory).cells
    assert cells is not None
    first, second = largest_cells(cells)[:2]
    shares = rf"{re.escape(first.name)}\s+{first.share:.1%}\s+{re.escape(second.name)}\s"
    assert re.search(shares, text)
    assert f"Full colour is {first.share:.1%} of the forecast" in text
    assert "A contribution is what the value of one feature at one lag adds" in text
    assert re.search(r"plan\s+future covariate", text)
    assert "307" in text
    assert str(csv_path) in text
    assert "Can it be trusted?" not in text


def test_page_shows_no_decoder_that_has_no_part_in_the_forecast(model_directory, tmp_path) -> None:
    model = tmp_path / "model"
    shutil.copytree(model_directory, model)
    shutil.copy(model / "plots" / "profile.png", model / "plots" / "horizon_heatmap.png")
    assert "decoder looks at" not in build_page(model)
    metrics = json.loads((model / "metrics.json").read_text("utf-8"))
    metrics["linear_path"] = {"load": 0.5}
    (model / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    assert "decoder looks at" in build_page(model)


def test_page_holds_column_names_as_text(evil_directory) -> None:
    page = (evil_directory / "report.html").read_text("utf-8")
    assert html.escape(EVIL) in page
    elements = Elements(page)
    assert not elements.all("script")
    assert not [each for _, each in elements.found if "onload" in each]


def test_page_renders_ranking_and_verdict(evil_directory) -> None:
    page = (evil_directory / "report.html").read_text("utf-8")
    text = html.unescape(re.sub(r"<[^>]*>", " ", page))
    assert "The evidence for this profile is weak." in text
    assert f"Two fits disagree on {EVIL}." in text
    for pattern in (
        r"than a uniform profile\s+37%\s+40% or more", r"over cells \(Kendall's tau\)\s+0\.25",
        r"of several seeds\s+0\.27\s+0\.5 or more", r"62\.5%\s+50\.0%\s+75\.0%",
    ):  # fmt: skip
        assert re.search(pattern, text), pattern
    assert "the same over features" not in text  # it is not known


@pytest.mark.parametrize(
    ("skill", "sentence"),
    [
        ({"linear": 0.25, "last_value": 0.5}, "25% below that of the best baseline, linear"),
        ({"linear": -0.25, "last_value": 0.5}, "linear (ridge regression) is better"),
        ({"linear": 0.0, "last_value": 0.5}, "is that of the best baseline, linear"),
        ({"last_value": 0.5}, "50% below that of the best baseline, last value"),
    ],
)
def test_verdict_names_the_best_baseline(skill, sentence) -> None:
    assert sentence in verdict({"skill": skill})
    if skill.get("linear") == -0.25:
        assert "20% below that of the model" in verdict({"skill": skill})


def test_page_without_attention_intervals_and_test_rows(tmp_path) -> None:
    options = {**SMALL, "epochs": 1, "attention": "none", "level": "none", "split": "0.8,0.2,0"}
    save(fit(load_frame(151), FitOptions(**options)), tmp_path / "model")
    page = (tmp_path / "model" / "report.html").read_text("utf-8")
    assert "No test rows were set aside" in page
    assert 'id="attention"' not in page
    assert 'id="intervals"' not in page
    Elements(page)


def test_command_of_the_page_says_every_option_that_is_no_default() -> None:
    options = FitOptions(
        target=["a b", "c,d"], lookback=7, split=[8, 2, 1], score_filled=True, level=(),
        quantile_levels="0.1,0.5", loss="quantile",
    )  # fmt: skip
    assert fit_command(options, "my data.csv") == (
        "tsattn fit 'my data.csv' --target 'a b' --target c,d --score-filled --lookback 7 "
        "--split 8,2,1 --loss quantile --quantile-levels 0.1,0.5 --level none"
    )
    none = FitOptions(target="a", past_covariates=())
    assert fit_command(none, None) == "tsattn fit data.csv --config config.json"


def test_command_of_the_page_comes_to_the_same_options(
    model_directory, csv_path, monkeypatch
) -> None:
    options, seen = read_options(model_directory), []
    _, command, *arguments = fit_command(options, str(csv_path)).split()
    monkeypatch.setattr("tsattn.option_checks.check_options", seen.append)
    monkeypatch.setattr("tsattn.outputs.check_output", lambda *_, **__: exit(77))
    with pytest.raises(SystemExit, match="77"):
        main([command, *arguments])
    (again,) = seen
    for name in ("lookback", "horizon", "units", "attention", "segment", "epochs", "batch_size"):
        assert getattr(again, name) == getattr(options, name)
    assert list(again.target) == ["load"]
    assert list(again.future_covariates) == ["plan"]


def test_heatmap_has_a_cell_for_each_lag_with_its_number(model_directory) -> None:
    profile = read_profile(model_directory)
    drawn = Elements(heatmap(profile))
    assert len(drawn.all("svg")) == 3 + 4  # load, wind and plan; two waves of hour and of weekday
    assert len(drawn.all("rect")) == 3 * 11 + 5 * 3  # plan and the waves are known ahead
    assert {each["viewbox"] for each in drawn.all("svg")} == {"0 0 14 1"}
    assert "horizon step 3:" in heatmap(profile)
    cells = profile_cells(profile)
    largest = cells.loc[cells["mean"].idxmax()]
    lag = largest.lag_first
    where = f"lag {lag}" if lag > 0 else f"horizon step {1 - lag}"
    title = f"<title>{where}: {number(largest['mean'])} nats</title>"
    assert f'{title}<rect x="{11 - lag}"' in heatmap(profile)
    assert max(float(each["fill-opacity"]) for each in drawn.all("rect")) == 1


def test_heatmap_groups_the_lags_of_a_long_lookback(model_directory) -> None:
    count = 2 * MAX_CELLS + 3  # groups of three lags
    rows = {
        "target": "a", "feature": "a", "kind": "feature", "role": "past", "horizon_first": 1,
        "horizon_last": 1, "measure": "share", "num_windows": 5,
    }  # fmt: skip
    lags = pd.DataFrame({"lag_first": range(1, count + 1), "mean": range(count)})
    cells = profile_cells(lags.assign(lag_last=lags.lag_first, **rows))
    assert cells.iloc[0].tolist() == ["a", 1, 3, 1.0]
    rows["measure"] = "forecast"  # shares are added up
    shares = profile_cells(lags.assign(lag_last=lags.lag_first, **rows))
    assert shares.iloc[0].tolist() == ["a", 1, 3, 3.0]
    assert cells.lag_last.iloc[-1] == count
    assert len(cells) == -(-count // 3)


def in_browser(page: Path, tmp_path: Path, *arguments: str) -> str:
    """Return what a browser without a screen prints."""
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--hide-scrollbars", "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}", *arguments, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr  # no error of a script or of the policy
    return done.stdout


# What the browser laid out, written into the page where --dump-dom shows it.
MEASURE = """<script>
addEventListener("load", () => {
  const page = document.documentElement;
  const images = [...document.images].every(image => image.complete && image.naturalWidth > 0);
  document.body.dataset.found = JSON.stringify({
    title: document.title, width: page.clientWidth, content: page.scrollWidth,
    tables: document.querySelectorAll("table").length, images: images,
    heads: [...document.querySelectorAll("table")].every(
      table => table.caption && table.querySelector("th[scope=col]")),
    loaded: performance.getEntriesByType("resource")
      .filter(each => !each.name.startsWith("data:")).length,
  });
});
</script>"""


@pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed")
@pytest.mark.parametrize("which", ["model_directory", "evil_directory"])
@pytest.mark.parametrize("width", [390, 1200])
def test_page_fits_a_screen_in_a_browser(which, width, request, tmp_path) -> None:
    page = (request.getfixturevalue(which) / "report.html").read_text("utf-8")
    # A frame of the width, since a window without a screen is 500 wide at least.
    inner = re.sub(r'<meta http-equiv="[^>]*>', "", page).replace("</body>", f"{MEASURE}</body>")
    (tmp_path / "inner.html").write_text(inner, "utf-8")
    script = (
        "<script>onload = () => document.body.dataset.found ="
        " frames[0].document.body.dataset.found</script>"
    )
    frame = f'<iframe src="inner.html" width="{width}" height="900" style="border:0"></iframe>'
    (tmp_path / "page.html").write_text(f"<body>{frame}{script}</body>")
    dom = in_browser(
        tmp_path / "page.html", tmp_path, "--allow-file-access-from-files", "--dump-dom",
        "--virtual-time-budget=10000", "--window-size=1400,1000",
    )  # fmt: skip
    match = re.search(r'data-found="([^"]*)"', dom)
    assert match, dom
    found = json.loads(html.unescape(match[1]))
    target = "load" if which == "model_directory" else EVIL
    assert found.pop("tables") >= 6
    assert found == {
        "title": f"Forecast of {target}", "width": width, "content": width, "images": True,
        "heads": True, "loaded": 0,
    }  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed")
def test_page_prints_from_a_browser_without_an_error(evil_directory, tmp_path) -> None:
    output = tmp_path / "page.pdf"
    in_browser(evil_directory / "report.html", tmp_path, f"--print-to-pdf={output}")
    assert output.read_bytes()[:5] == b"%PDF-"


def test_verdict_knows_a_baseline_without_errors() -> None:
    errors = {"scaled": {"mse": {"overall": 0.0}}}
    block = {"scaled": {"mse": {"overall": 0.3}}, "baselines": {"seasonal_naive": errors}}
    skill = {"last_value": 0.9, "seasonal_naive": None}
    assert "seasonal naive is better: it makes no error" in verdict({**block, "skill": skill})
    assert verdict({**block, "scaled": errors["scaled"], "skill": {"seasonal_naive": None}}) == ""
    assert "less than 1% below" in verdict({"skill": {"linear": -0.001}})
