"""Reading, checking and windowing of time series."""
