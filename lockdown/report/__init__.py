"""How a run is shown: one file per format, one function each, all from results.json."""
