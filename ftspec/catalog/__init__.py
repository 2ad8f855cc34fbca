"""The catalog: models, accelerators, networks and nodes as data, a source in every row."""
