"""cuBLAS of the ``cuda`` extra is loaded by path. (Stand-ins here: the real ones weigh half a gigabyte.)"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from deployments.whisper.cuda import preload_cublas
print(preload_cublas(), sum("libcublas" in line for line in open("/proc/self/maps")) > 0)
"""


def probe(folder: Path) -> str:
    return subprocess.check_output([sys.executable, "-c", PROBE, str(folder)], text=True).strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_the_packages_libraries_are_loaded(tmp_path: Path) -> None:
    assert probe(tmp_path) == "False False"
    lib = tmp_path / "nvidia" / "cublas" / "lib"
    lib.mkdir(parents=True)
    for package in (lib.parent, lib):
        (package / "__init__.py").touch()
    maps = Path("/proc/self/maps").read_text().splitlines()
    some_library = next(line.split()[-1] for line in maps if "libm.so" in line or "libm-" in line)
    shutil.copy(some_library, lib / "libcublasLt.so.12")
    assert probe(tmp_path) == "False False"
    shutil.copy(some_library, lib / "libcublas.so.12")
    assert probe(tmp_path) == "True True"
