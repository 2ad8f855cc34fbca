"""Reports: what was found and estimated, as JSON of a stable shape and as tables."""
