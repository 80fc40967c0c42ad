"""The public data sets `tsattn datasets` knows: where they are and what is in them."""

from dataclasses import dataclass

_ETT_ADDRESS = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"
_PRICE_ADDRESS = "https://zenodo.org/records/4624805/files"
_UCI_ADDRESS = "https://archive.ics.uci.edu/static/public"


@dataclass(frozen=True, kw_only=True)
class PublicDataset:
    """One public data set: a CSV file at a public address, or one file of a zip archive there.

    Column names are those of the file without surrounding spaces; a time column without a name
    is called as pandas calls it.
    """

    name: str
    description: str
    url: str
    licence: str
    target: str
    time_columns: tuple[str, ...]
    rows: int  # without the header
    columns: tuple[str, ...]  # in the order of the file, time columns too
    sha256: str | None  # of the CSV file, after it is taken out of its archive; None if not known
    filename: str  # of the CSV file in the cache
    member: str | None  # the CSV file inside the zip archive; None if there is no archive
    read_hint: str  # the options of `tsattn fit` that fit this file, as typed in a shell


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _transformer(name: str, description: str, *, per_hour: int, sha256: str) -> PublicDataset:
    split = ",".join(str(months * 30 * 24 * per_hour) for months in (12, 4, 4))
    return PublicDataset(
        name=name,
        description=f"Oil temperature and six loads of a power transformer, {description}",
        url=f"{_ETT_ADDRESS}/{name}.csv",
        licence="CC BY-ND 4.0",
        target="OT",
        time_columns=("date",),
        rows=17_420 * per_hour,
        columns=_names("date HUFL HULL MUFL MULL LUFL LULL OT"),
        sha256=sha256,
        filename=f"{name}.csv",
        member=None,
        read_hint=f"--target OT --time-col date --lookback 96 --horizon 96 --split {split}",
    )


def _market(
    name: str, market: str, years: str, columns: tuple[str, str, str, str]
) -> PublicDataset:
    time, price, *forecasts = columns
    return PublicDataset(
        name=name,
        description=f"Day-ahead electricity price and two day-ahead forecasts, {market}, {years}",
        url=f"{_PRICE_ADDRESS}/{name}.csv",
        licence="CC BY 4.0",
        target=price,
        time_columns=(time,),
        rows=52_416,
        columns=columns,
        sha256=None,
        filename=f"{name}.csv",
        member=None,
        read_hint=f"--target '{price}' --time-col '{time}' --lookback 168 --horizon 24 "
        f"--future-covariates '{','.join(forecasts)}'",
    )


_BEIJING = PublicDataset(
    name="beijing-pm25",
    description="PM2.5 in the air of Beijing and the weather, hourly, 2010 to 2014",
    url=f"{_UCI_ADDRESS}/381/beijing+pm2+5+data.zip",
    licence="CC BY 4.0",
    target="pm2.5",
    time_columns=("year", "month", "day", "hour"),
    rows=43_824,
    columns=_names("No year month day hour pm2.5 DEWP TEMP PRES cbwd Iws Is Ir"),
    sha256="4127f868775e31b3956522adc0ec75af8937dde6a3896e8beed3a376c6d27f1c",
    filename="beijing_pm25.csv",
    member="PRSA_data_2010.1.1-2014.12.31.csv",
    read_hint="--target pm2.5 --time-col year,month,day,hour --drop No,cbwd --fill ffill",
)

_BIKES = PublicDataset(
    name="bike-sharing",
    description="Bicycles hired in Washington, D.C. and the weather, hourly, 2011 and 2012",
    url=f"{_UCI_ADDRESS}/275/bike+sharing+dataset.zip",
    licence="CC BY 4.0",
    target="cnt",
    time_columns=("dteday", "hr"),
    rows=17_379,
    columns=_names(
        "instant dteday season yr mnth hr holiday weekday workingday weathersit temp atemp hum "
        "windspeed casual registered cnt"
    ),
    sha256="e03de4ee4ef4dc376ac6e04bf829673c6269e8eba5c60fa121640fa2f829504f",
    filename="bike_sharing.csv",
    member="hour.csv",
    # casual + registered = cnt: kept, they would tell the target to itself.
    read_hint="--target cnt --time-col dteday,hr --drop instant,casual,registered --fill ffill",
)

_HOUSEHOLD = PublicDataset(
    name="household-power",
    description="Electricity of one French household, by the minute, 2006 to 2010 (127 MB)",
    url=f"{_UCI_ADDRESS}/235/individual+household+electric+power+consumption.zip",
    licence="CC BY 4.0",
    target="Global_active_power",
    time_columns=("Date", "Time"),
    rows=2_075_259,
    columns=_names(
        "Date Time Global_active_power Global_reactive_power Voltage Global_intensity "
        "Sub_metering_1 Sub_metering_2 Sub_metering_3"
    ),
    sha256="4259c9d7ece5dbee9ab8d53682baac68d791c864f0f64a52b4043cb3b90894b7",
    filename="household_power.csv",
    member="household_power_consumption.txt",
    read_hint="--target Global_active_power --time-col Date,Time "
    "--time-format '%d/%m/%Y %H:%M:%S' --fill ffill",
)

_APPLIANCES = PublicDataset(
    name="appliances-energy",
    description="Electricity of the appliances of one Belgian house, its rooms and the weather, "
    "every ten minutes, 2016",
    url=f"{_UCI_ADDRESS}/374/appliances+energy+prediction.zip",
    licence="CC BY 4.0",
    target="Appliances",
    time_columns=("date",),
    rows=19_735,
    columns=(
        *_names("date Appliances lights"),
        *(f"{quantity}{room}" for room in range(1, 10) for quantity in ("T", "RH_")),
        *_names("T_out Press_mm_hg RH_out Windspeed Visibility Tdewpoint rv1 rv2"),
    ),
    sha256=None,
    filename="appliances_energy.csv",
    member="energydata_complete.csv",
    # rv1 and rv2 are random numbers, put in by the authors as a test.
    read_hint="--target Appliances --time-col date --drop rv1,rv2",
)

_DATASETS = (
    _transformer(
        "ETTh1",
        "hourly, first county, 2016 to 2018",
        per_hour=1,
        sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    ),
    _transformer(
        "ETTh2",
        "hourly, second county, 2016 to 2018",
        per_hour=1,
        sha256="a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
    ),
    _transformer(
        "ETTm1",
        "every 15 minutes, first county, 2016 to 2018",
        per_hour=4,
        sha256="6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e",
    ),
    _transformer(
        "ETTm2",
        "every 15 minutes, second county, 2016 to 2018",
        per_hour=4,
        sha256="db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd",
    ),
    _market(
        "NP",
        "Nord Pool",
        "2013 to 2018",
        ("Date", "Price", "Grid load forecast", "Wind power forecast"),
    ),
    _market(
        "PJM",
        "PJM, zone COMED",
        "2013 to 2018",
        # "foecast" is how the file spells it.
        ("Date", "Zonal COMED price", "System load forecast", "Zonal COMED load foecast"),
    ),
    _market(
        "BE",
        "Belgium",
        "2011 to 2016",
        ("Date", "Prices", "Generation forecast", "System load forecast"),
    ),
    _market(
        "FR",
        "France",
        "2011 to 2016",
        ("Date", "Prices", "Generation forecast", "System load forecast"),
    ),
    _market(
        "DE",
        "Germany",
        "2012 to 2017",
        ("Unnamed: 0", "Price", "Ampirion Load Forecast", "PV+Wind Forecast"),
    ),
    _BEIJING,
    _BIKES,
    _HOUSEHOLD,
    _APPLIANCES,
)

PUBLIC_DATASETS = {dataset.name: dataset for dataset in _DATASETS}
