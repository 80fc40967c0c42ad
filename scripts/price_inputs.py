"""What is known ahead in the files of electricity prices, NP.csv and DE.csv."""

KNOWN_AHEAD = {
    "NP": ("Grid load forecast", "Wind power forecast"),
    "DE": ("Wind power forecast", "Ampirion zonal load forecast"),
}
