"""What processes below process 1 have in common: they have none of its handles and signals, and end without its clean-up."""

import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

DHCP = "dhcp"
"""Value of `network` in an identity: the machine is in a network that gives it an address and names."""
_ASK = "busybox udhcpc -i eth0 -f -n -q -t 10 -T 1 -s /opt/penstock/dhcp"
_HANDLES_MAX = 256


def fork(become: Callable[[], int], kept: int = 2) -> int:
    """Run this in a child, to its end; the child's process id. `kept`: a handle that it has beside those of everybody."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _let_go(kept)
        status = become()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def load(file: Path, module: str) -> Any:
    """A module of the agent from its one file. Nothing of this package may be taken for the agent's own."""
    for name in [name for name in sys.modules if name.split(".")[0] == "penstock"]:
        del sys.modules[name]
    sys.path[0] = str(file)
    return importlib.import_module(module)


def online(network: str) -> None:
    """Have an address, where the network gives one. Raises OSError, subprocess.CalledProcessError."""
    if network == DHCP:
        subprocess.run(_ASK.split(), check=True, stdin=subprocess.DEVNULL)


def _let_go(kept: int) -> None:
    """Of what the parent has: its signals, and process 1's line to the host. Until the agent listens, SIGUSR1 says nothing new."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGIO, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.closerange(3, kept)
    os.closerange(kept + 1, _HANDLES_MAX)
