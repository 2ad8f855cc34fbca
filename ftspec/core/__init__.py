"""What every layer shares: places in a text, findings, units and the package's own data files."""
