"""The plan: everything resolved, frozen, with the origin of every value."""
