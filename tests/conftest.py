import pytest
from synthetic import SMALL, load_frame, panel_frame

from tsattn import FitOptions
from tsattn.pipeline.fitting import fit, save


@pytest.fixture(scope="session")
def csv_path(tmp_path_factory):
    """Return a CSV file of the synthetic load."""
    path = tmp_path_factory.mktemp("data") / "load.csv"
    load_frame().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def result(csv_path):
    """Return a small fit with a known future covariate."""
    return fit(csv_path, FitOptions(**SMALL, future_covariates="plan"))


@pytest.fixture(scope="session")
def model_directory(result, tmp_path_factory):
    """Return the saved model of the small fit; not to be changed."""
    path = tmp_path_factory.mktemp("models") / "model"
    save(result, path)
    return path


@pytest.fixture(scope="session")
def panel_model(tmp_path_factory):
    """Return the saved model of a panel with a known future covariate; not to be changed."""
    path = tmp_path_factory.mktemp("models") / "panel"
    known = panel_frame("ab", 157).dropna()
    options = FitOptions(**{**SMALL, "epochs": 1}, id_col="town", future_covariates="plan")
    save(fit(known, options, check=False), path)
    return path


@pytest.fixture
def latest(tmp_path):
    """Return a file of a panel; tests write beside it."""
    path = tmp_path / "latest.csv"
    panel_frame().to_csv(path, index=False)
    return path
