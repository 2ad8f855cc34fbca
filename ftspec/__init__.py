"""ftspec: a compiler and type checker for training-job specs.

The public functions are imported on first use, so that `import ftspec` costs nothing.
"""

__version__ = "0.1.0"
