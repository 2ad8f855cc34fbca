"""`python -m ftspec`."""

import sys

from ftspec.cli import main

sys.exit(main())
