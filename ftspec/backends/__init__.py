"""Backends: each compiles a plan for one target, in a folder of its own."""
