"""The application."""

import subprocess
import sys


def test_the_entrance_imports_no_ray() -> None:
    program = "import serve_app.http.app, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
