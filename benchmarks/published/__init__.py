"""Published peaks and out-of-memory outcomes, turned into specs: one module for each family of sources."""
