"""How lookback and horizon are cut."""

import pytest

from tsattn.segments import choose_segment, horizon_parts, segment_lags


@pytest.mark.parametrize(
    ("lookback", "segment"),
    [(1, 1), (3, 1), (7, 1), (8, 2), (11, 2), (56, 14), (96, 24), (168, 24), (720, 24)],
)
def test_segment_is_at_most_24_and_leaves_4_segments(lookback: int, segment: int) -> None:
    assert choose_segment(lookback) == segment
    assert lookback < 4 or lookback // segment >= 4


def test_segment_lags_by_hand() -> None:
    assert segment_lags(12, 4) == [(1, 4), (5, 8), (9, 12)]
    assert segment_lags(11, 4) == [(1, 4), (5, 8), (9, 11)]  # the oldest is short
    assert segment_lags(3, 1) == [(1, 1), (2, 2), (3, 3)]
    assert segment_lags(5, 7) == [(1, 5)]


@pytest.mark.parametrize(
    ("horizon", "parts"),
    [
        (1, [(1, 1)]),
        (24, [(1, 24)]),
        (25, [(1, 13), (14, 25)]),
        (29, [(1, 15), (16, 29)]),
        (48, [(1, 24), (25, 48)]),
        (49, [(1, 17), (18, 34), (35, 49)]),
    ],
)
def test_horizon_parts_by_hand(horizon: int, parts) -> None:
    assert horizon_parts(horizon) == parts


@pytest.mark.parametrize("horizon", [*range(1, 200), 336, 720])
def test_horizon_parts_are_of_one_size_but_the_last(horizon: int) -> None:
    parts = horizon_parts(horizon)
    steps = [step for first, last in parts for step in range(first, last + 1)]
    assert steps == list(range(1, horizon + 1))
    sizes = [last - first + 1 for first, last in parts]
    assert set(sizes[:-1]) <= {max(sizes)}
    assert sizes[-1] <= max(sizes) <= 24
