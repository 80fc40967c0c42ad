"""An Airflow DAG: the model is scored on what it has not seen, and then forecasts."""

from datetime import datetime, timedelta

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

FOLDER = "/srv/forecast"

with DAG(
    dag_id="tsattn_forecast",
    schedule="10 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
):
    score = BashOperator(
        task_id="score",
        cwd=FOLDER,
        # 9: some series were skipped, the others are scored; 6, a model that is worse, ends it.
        bash_command=(
            "tsattn evaluate model latest --fail-if-worse-than seasonal_naive "
            "--log-json runs.jsonl || [ $? -eq 9 ]"
        ),
    )
    forecast = BashOperator(
        task_id="forecast",
        cwd=FOLDER,
        # 9: some series were skipped, the others are forecast.
        bash_command=(
            "tsattn predict model latest -o forecast.csv --overwrite --max-age 3h "
            "--log-json runs.jsonl || [ $? -eq 9 ]"
        ),
    )
    score >> forecast
