"""Output: the manifest of a compile, and writing all files or none."""
