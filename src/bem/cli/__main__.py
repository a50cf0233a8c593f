"""``python -m bem.cli``, for a supervisor that knows the interpreter and not the PATH."""

import sys

from bem.cli.command import main

sys.exit(main())
