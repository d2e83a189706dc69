"""Trees of files as boards show them under /sys; written from the kernel's documentation, not captured on a board."""

from pathlib import Path

import pytest

from service.core.temper import Reading
from service.system.board_health import read

PI_4 = {
    "devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    "class/hwmon/hwmon0/name": "cpu_thermal\n",
    "class/hwmon/hwmon0/temp1_input": "61835\n",
    "class/hwmon/hwmon1/name": "rpi_volt\n",
    "class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
    "class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "class/thermal/thermal_zone0/temp": "61835\n",
    "class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
    "class/thermal/thermal_zone0/trip_point_0_temp": "110000\n",
}
ROCK_PI = {
    "class/thermal/thermal_zone0/type": "cpu\n",
    "class/thermal/thermal_zone0/temp": "71111\n",
    "class/thermal/thermal_zone0/trip_point_0_type": "passive\n",
    "class/thermal/thermal_zone0/trip_point_0_temp": "70000\n",
    "class/thermal/thermal_zone0/trip_point_1_type": "passive\n",
    "class/thermal/thermal_zone0/trip_point_1_temp": "75000\n",
    "class/thermal/thermal_zone0/trip_point_2_type": "critical\n",
    "class/thermal/thermal_zone0/trip_point_2_temp": "95000\n",
    "class/thermal/thermal_zone1/temp": "45000\n",  # without a limit
}
PC = {
    "class/thermal/thermal_zone0/temp": "27800\n",
    "class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
    "class/thermal/thermal_zone0/trip_point_0_temp": "119000\n",
    "class/thermal/thermal_zone0/trip_point_1_type": "active\n",  # a fan that goes on
    "class/thermal/thermal_zone0/trip_point_1_temp": "20000\n",
    "class/thermal/thermal_zone1/temp": "50000\n",
    "class/thermal/thermal_zone1/trip_point_0_type": "passive\n",
    "class/thermal/thermal_zone1/trip_point_0_temp": "-274000\n",  # nobody has set it
    "class/thermal/thermal_zone2/temp": "-263200\n",  # switched off
    "class/thermal/thermal_zone2/trip_point_0_type": "hot\n",
    "class/thermal/thermal_zone2/trip_point_0_temp": "90000\n",
}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "reading"),
    [
        (PI_4, Reading(bits=0x50005, low_voltage=True, zones=((61.835, 105.0),))),
        (ROCK_PI, Reading(zones=((71.111, 70.0),))),
        (PC, Reading(zones=((27.8, 114.0),))),
        ({}, Reading()),
    ],
    ids=["pi-4", "rock-pi", "pc", "nothing"],
)
def test_what_a_board_reports(tmp_path, files, reading):
    assert read(tree(tmp_path, files)) == reading


def test_a_dead_sensor_reports_nothing(tmp_path):
    tree(tmp_path, PI_4 | dict.fromkeys(PI_4, "\n") | {"class/hwmon/hwmon1/name": "rpi_volt\n"})
    (tmp_path / "class/hwmon/hwmon1/in0_lcrit_alarm").unlink()
    (tmp_path / "class/hwmon/hwmon1/in0_lcrit_alarm").mkdir()  # any OSError
    assert read(tmp_path) == Reading()


def test_this_machine_can_be_read():
    assert isinstance(read(), Reading)
