"""The demonstrations make the data they say, find it, and write it down."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run

from tsattn.demos import DEMOS, Must, find_demo, make_problem
from tsattn.demos.entropy_price import EntropyPrice
from tsattn.demos.hits import measure_hits
from tsattn.errors import UsageError

WINDOWS = 53
PERMUTATION = [3, 7, 0, 5, 9, 1, 8, 2, 6, 4]


def first_variant(name: str) -> str:
    return next(iter(DEMOS[name].variants))


def problem(name: str, variant: str | None = None, seed: int = 3):
    return make_problem(name, variant or first_variant(name), WINDOWS, seed)


def true_cells(row: np.ndarray) -> list[int]:
    return np.flatnonzero(row).tolist()


def test_hello_dense_is_number_one_of_32() -> None:
    made = problem("hello-dense")
    assert made.inputs.shape == made.truth.shape == (WINDOWS, 32)
    for window in range(WINDOWS):
        assert true_cells(made.truth[window]) == [1]
        assert made.targets[window, 0] == made.inputs[window, 1]
    assert set(made.targets.ravel()) == {0.0, 1.0}


def test_hello_recurrent_is_step_ten_of_every_feature() -> None:
    made = problem("hello-recurrent")
    assert made.inputs.shape == (WINDOWS, 20, 2)
    for window in range(WINDOWS):
        assert true_cells(made.truth[window]) == [10]
        for feature in range(2):
            assert made.inputs[window, 10, feature] == made.targets[window, 0]
    assert set(made.targets.ravel()) == {0.0, 1.0}


def test_after_delimiter_is_half_the_sum_of_what_follows_the_zeros() -> None:
    made = problem("after-delimiter")
    assert made.inputs.shape == (WINDOWS, 20, 1)
    for window in range(WINDOWS):
        numbers = made.inputs[window, :, 0].tolist()
        follow = [step + 1 for step in range(20) if numbers[step] == 0]
        assert len(follow) == 2
        assert true_cells(made.truth[window]) == follow
        half_sum = (numbers[follow[0]] + numbers[follow[1]]) / 2
        assert made.targets[window, 0] == pytest.approx(half_sum)
        assert 0 < numbers[follow[0]] < 1 > numbers[follow[1]] > 0


def test_find_maximum_is_the_largest_and_uniform() -> None:
    made = problem("find-maximum")
    assert made.inputs.shape == (WINDOWS, 10, 1)
    for window in range(WINDOWS):
        numbers = made.inputs[window, :, 0].tolist()
        assert made.targets[window, 0] == max(numbers)
        assert true_cells(made.truth[window]) == [numbers.index(max(numbers))]
    many = make_problem("find-maximum", "feed-forward", 20_000, 3).targets
    np.testing.assert_allclose(np.quantile(many, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)


@pytest.mark.parametrize(
    ("variant", "sources"),
    [
        ("delayed", [3, 4, 5, 6, 7, 8, 9]),
        ("reversed", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("permuted", PERMUTATION),
        ("permuted-gru", PERMUTATION),
    ],
)
def test_reordered_sequence_repeats_the_steps_of_its_order(
    variant: str, sources: list[int]
) -> None:
    made = problem("reordered-sequence", variant)
    assert made.inputs.shape == (WINDOWS, 10, 11)
    assert made.targets.shape == (WINDOWS, len(sources), 1)
    for window in range(WINDOWS):
        for step in range(10):
            assert true_cells(made.inputs[window, step, 1:]) == [step]
        for step, source in enumerate(sources):
            assert made.targets[window, step, 0] == made.inputs[window, source, 0]
            assert true_cells(made.truth[window, step]) == [source]


@pytest.mark.parametrize("name", DEMOS)
def test_the_seed_decides_the_data(name: str) -> None:
    np.testing.assert_array_equal(problem(name).inputs, problem(name).inputs)
    assert (problem(name).inputs != problem(name, seed=5).inputs).any()


def test_hits_of_an_example_by_hand() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.1, 0.5], [0.2, 0.6, 0.2]])
    truth = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]], dtype=bool)
    hits = measure_hits(scores, truth)  # the last row has no true cell
    assert hits.hit_rate == pytest.approx(2 / 3)
    assert hits.mass == pytest.approx((0.8 + 0.2 + 0.9) / 3)
    assert hits.peak == 2  # means .33, .2, .47
    nested = measure_hits(scores[None], truth[None])
    assert nested == hits


def test_what_must_be_is_met_and_said() -> None:
    must = Must(peaks=(10, 11, 12), mass=0.5, hit_rate=0.9)
    assert str(must) == "peak in 10-12, mass >= 50%, hit rate >= 90%"
    assert must.is_met(hit_rate=0.9, peak=12, mass=0.5)
    for worse in ({"hit_rate": 0.89}, {"peak": 13}, {"mass": 0.49}):
        assert not must.is_met(**{"hit_rate": 0.9, "peak": 12, "mass": 0.5, **worse})


def test_unknown_names_and_seeds_are_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"'hello'\. Use hello-dense, hello-recurrent, after-"):
        find_demo("hello")
    unknown = run("demo", "hello", "-o", tmp_path / "out")
    assert unknown.exit_code == 2
    assert "Received: 'hello'. Use hello-dense, hello-recurrent" in unknown.stderr
    variant = run("demo", "after-delimiter", "--variant", "lung", "-o", tmp_path / "out")
    assert variant.exit_code == 2
    assert "Received: 'lung'. Use bahdanau, luong, " in variant.stderr
    seed = run("demo", "hello-dense", "--seed", -1, "-o", tmp_path / "out")
    assert seed.exit_code == 2
    assert "Received: -1. Choose another." in seed.stderr
    assert not (tmp_path / "out").exists()


def test_help_lists_every_problem_and_variant() -> None:
    text = "".join(run("demo", "--help").output.split()).replace("-", "")
    for name, demo in DEMOS.items():
        for word in (name, *demo.variants):
            assert word.replace("-", "") in text


def test_entropy_price_of_an_example_by_hand() -> None:
    layer = EntropyPrice(0.3, warm_up=2)
    attended = np.zeros((1, 4, 3), "float32")
    scores = np.zeros((1, 4, 2), "float32")  # their mean over the channels: 1/4, 1/2, 1/4, 0
    scores[0, [0, 1], 0] = 0.5
    scores[0, [1, 2], 1] = 0.5
    prices = []
    for _ in range(4):
        np.testing.assert_array_equal(layer(attended, scores, training=True), attended)
        prices.append(float(layer.losses[0]))
    full = 0.3 * 1.5 * math.log(2)  # 2/4 log 4 + 1/2 log 2
    np.testing.assert_allclose(prices, [0, full / 2, full, full], atol=1e-6)
    layer(attended, scores)
    assert layer.losses == []


@pytest.mark.slow
def test_scores_before_a_recurrent_layer_are_sharp_and_the_demo_says_why(tmp_path) -> None:
    output = tmp_path / "out"
    arguments = ["--variant", "before-shared-gru", "--seed", 2, "-o", output, "--quiet"]
    done = run("demo", "hello-recurrent", *arguments)
    assert done.exit_code == 0, done.output
    assert "must be: peak at 10, mass >= 50%: hit\nnote: The sharpness is asked for" in done.stdout
    content = json.loads((output / "result.json").read_text())
    assert content["note"].startswith("The sharpness is asked for")


def test_demo_finds_the_feature_and_writes_its_figures(tmp_path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "MANIFEST.json").write_text('{"kind": "demo"}')  # of an older demonstration
    refused = run("demo", "hello-dense", "-o", output)
    assert refused.exit_code == 2
    assert "must not exist yet" in refused.stderr
    arguments = ["--seed", 2, "-o", output, "--overwrite", "--json", "--quiet"]
    done = run("demo", "hello-dense", *arguments)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    content = json.loads(done.stdout)
    assert content["is_hit"] is True
    assert content["peak"] == 1
    assert content["output"] == str(output)
    names = {path.name for path in output.iterdir()}
    assert names == {"MANIFEST.json", "epochs.png", "result.json", "scores.npz", "scores.png"}
    assert json.loads((output / "result.json").read_text()) == {
        key: value for key, value in content.items() if key != "output"
    }
    for figure in ("epochs.png", "scores.png"):
        assert (output / figure).read_bytes().startswith(b"\x89PNG")
    with np.load(output / "scores.npz") as saved:
        assert saved["scores"].shape == saved["truth"].shape == (1000, 32)
        assert len(saved["frames"]) == 1 + content["training"]["epochs"]
        np.testing.assert_allclose(saved["scores"].sum(axis=1), 1, atol=1e-5)
        assert measure_hits(saved["scores"], saved["truth"]).peak == 1


def test_demo_says_what_it_found_and_what_must_be(tmp_path, monkeypatch) -> None:
    hello = DEMOS["hello-dense"]
    short = replace(hello, training=replace(hello.training, num_windows=256, epochs=2))
    monkeypatch.setitem(DEMOS, "hello-dense", short)
    monkeypatch.chdir(tmp_path)
    done = run("demo", "hello-dense")
    assert done.exit_code == 0, done.output
    assert "epoch 2/2  loss " in done.stderr
    assert "(1,000 test windows)\nmust be: peak at 1, mass >= 50%: NOT reached\n" in done.stdout
    assert (tmp_path / "demo-hello-dense" / "scores.png").exists()


def test_reproduce_demos_goes_on_where_it_stopped_and_prints_the_table(tmp_path) -> None:
    results = tmp_path / "results.jsonl"
    lines = [
        {"demo": "hello-dense", "variant": "dense", "seed": seed, "hit_rate": 1.0, "mass": mass,
         "peak": 1, "is_hit": mass >= 0.5, "seconds": 3.2}
        for seed, mass in enumerate([0.75, 0.25])
    ]  # fmt: skip
    results.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"demo": "hel')
    script = Path(__file__).parent.parent / "scripts" / "reproduce_demos"
    arguments = ["--seeds", "2", "--only", "hello-dense", "--results", results]
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nothing was computed
    assert done.stdout.splitlines()[-1] == (
        "| hello-dense | dense | peak at 1, mass >= 50%, 10 | 1 of 2 | 100.0% / 100.0% "
        "| 25.0% / 50.0% | 1 (2) | 3 |"
    )


def test_demo_replaces_nothing_but_a_demonstration(tmp_path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("precious")
    for output in (mine, mine / "notes.txt"):
        done = run("demo", "hello-dense", "-o", output, "--overwrite")
        assert done.exit_code == 2
        assert "may replace only a demonstration" in done.stderr
    assert (mine / "notes.txt").read_text() == "precious"
