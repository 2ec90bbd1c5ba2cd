"""How TensorFlow comes into a process."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CODE = """
import sys
from raygen.cluster import devices

devices.start_tensorflow()
assert "keras" in sys.modules
assert not {"sklearn", "matplotlib"} & set(sys.modules), "imported, or left as not to be found"
import matplotlib.pyplot
import sklearn.base
devices.start_tensorflow()
assert sys.modules["sklearn"] is sklearn
"""


def test_tensorflow_starts_without_what_keras_imports_for_others():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
