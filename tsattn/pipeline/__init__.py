"""One module per verb, each a straight line through the modules below."""
