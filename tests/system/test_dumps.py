import subprocess
import sys

SAY = """
import ctypes, os, resource
from service.system import dumps
dumps.forbid()
core = resource.getrlimit(resource.RLIMIT_CORE)[0]
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), core, os.listdir("/proc/self/fd") != [], flush=True)
os.abort()
"""


def test_a_process_that_is_aborted_leaves_no_image_of_itself(tmp_path):
    done = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, cwd=tmp_path, timeout=20)
    assert done.stdout.split() == ["0", "0", "True"]
    assert done.returncode == -6 and list(tmp_path.iterdir()) == []
