"""``python -m nexo_bridge``."""

import sys

from nexo_bridge.cli import main

sys.exit(main())
