"""What makes one machine another than its twin: clock, chance, names, address of its card; and how it ends."""

import ctypes
import fcntl
import os
import socket
import struct
import time
from pathlib import Path

_RESEED = 0x5207
"""RNDRESEEDCRNG of linux/random.h: what was mixed in counts from now on."""
_SET_ADDRESS = 0x8924
"""SIOCSIFHWADDR of linux/sockios.h."""
_ETHERNET = 1
_POWER_OFF = 0x4321FEDC
"""LINUX_REBOOT_CMD_POWER_OFF of linux/reboot.h."""


def set_clock(time_ms: int) -> None:
    """Set the wall clock: a machine that was asleep is behind by as long as that."""
    time.clock_settime(time.CLOCK_REALTIME, time_ms / 1000)


def reseed(seed: str, device: Path = Path("/dev/urandom")) -> None:
    """Mix 32 bytes (64 hex digits) into the kernel's chance, which twins share otherwise. Raises ValueError, OSError."""
    data = bytes.fromhex(seed)
    if len(data) < 32:
        raise ValueError("seed: 64 hex digits are needed")
    with device.open("wb", buffering=0) as file:
        file.write(data)
        fcntl.ioctl(file, _RESEED)


def name(text: str, machine_id: str, etc: Path = Path("/etc")) -> None:
    """Host name and machine-id(5). Raises ValueError, OSError."""
    if len(machine_id) != 32 or machine_id.strip("0123456789abcdef"):
        raise ValueError("machine_id: 32 hex digits are needed")
    socket.sethostname(text[:64])
    (etc / "hostname").write_text(f"{text}\n")
    (etc / "machine-id").write_text(f"{machine_id}\n")


def set_address(mac: str, card: str = "eth0") -> None:
    """Give the card its own address. Raises ValueError, OSError."""
    data = bytes.fromhex(mac.replace(":", ""))
    if len(data) != 6:
        raise ValueError("mac: six bytes are needed, as 52:54:00:12:34:56")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_ADDRESS, struct.pack("16sH6s8x", card.encode(), _ETHERNET, data))


def practise(card: str = "eth0", etc: Path = Path("/etc")) -> None:
    """Be what this machine is already: all that will be done when it becomes somebody was done once, and the files that will be written
    are in memory by then. Raises OSError, ValueError."""
    set_clock(time.time_ns() // 1_000_000)
    reseed(os.urandom(32).hex())
    name(socket.gethostname(), "0" * 32, etc)
    set_address(Path(f"/sys/class/net/{card}/address").read_text().strip(), card)
    (etc / "hosts").touch()


def power_off() -> None:
    """End the machine; does not return where we may do that."""
    os.sync()
    ctypes.CDLL(None, use_errno=True).reboot(_POWER_OFF)
