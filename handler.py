"""What RunPod's Hub looks for; the worker is ``serve_app.runpod_worker``."""

import sys

from serve_app.runpod_worker.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
