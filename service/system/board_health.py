"""Power and heat as the kernel shows them under /sys. Files are only read; a board without them reports nothing.

class/hwmon/hwmon*          the driver rpi_volt, with in0_lcrit_alarm (kernel: raspberrypi-hwmon)
devices/platform/soc/...    get_throttled of the Raspberry Pi's own kernels, in hexadecimal
class/thermal               zones with their temperature and trip points, in thousandths of a degree
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service.core.temper import Reading

THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
BELOW_CRITICAL_C = 5.0  # there the kernel switches off: to be told before
BELIEVABLE_C = range(1, 150)  # zones that are switched off, and trip points that nobody has set, say anything


def read(sys: Path = Path("/sys")) -> Reading:
    """What the board reports now. Never raises."""
    return Reading(bits=_bits(sys / THROTTLED), low_voltage=_low_voltage(sys), zones=tuple(_zones(sys)))


def _bits(path: Path) -> int | None:
    try:
        return int(_text(path) or "", 16)
    except ValueError:
        return None


def _low_voltage(sys: Path) -> bool | None:
    for device in sorted(sys.glob("class/hwmon/hwmon*")):
        if _text(device / "name") == "rpi_volt":
            alarm = _text(device / "in0_lcrit_alarm")
            return None if alarm is None else alarm == "1"
    return None


def _zones(sys: Path) -> Iterator[tuple[float, float]]:
    for zone in sorted(sys.glob("class/thermal/thermal_zone*")):
        now_c, limits_c = _degrees(zone / "temp"), list(_limits_c(zone))
        if now_c is not None and limits_c:
            yield now_c, min(limits_c)


def _limits_c(zone: Path) -> Iterator[float]:
    for path in sorted(zone.glob("trip_point_*_type")):
        kind, limit_c = _text(path), _degrees(path.with_name(path.name.replace("_type", "_temp")))
        if limit_c is not None and kind in ("passive", "hot"):
            yield limit_c
        elif limit_c is not None and kind == "critical":
            yield limit_c - BELOW_CRITICAL_C


def _degrees(path: Path) -> float | None:
    try:
        degrees_c = int(_text(path) or "") / 1000
    except ValueError:
        return None
    return degrees_c if int(degrees_c) in BELIEVABLE_C else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # also a sensor that answers EIO or EAGAIN
        return None
