"""The command line as `python -m coherence.cli`."""

import sys

from coherence.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
