"""How `boothd` ends (appliance 5.5)."""

from __future__ import annotations

from service.core.errors import FaultCode

OK = 0
USAGE = 1
REFUSED_ARGUMENT = 2
NOT_REACHABLE = 3
NO_VENDOR = 4
VENDOR_REFUSED = 5
AUDIO_DEVICE = 6
NETWORK = 7
PERMISSION = 8
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
CONFIGURATION = 78  # EX_CONFIG

WORDS = {
    OK: "done",
    USAGE: "usage",
    REFUSED_ARGUMENT: "refused",
    NOT_REACHABLE: "no daemon",
    NO_VENDOR: "no connection to the translation service",
    VENDOR_REFUSED: "the service refuses: credentials, balance, language",
    AUDIO_DEVICE: "a sound device",
    NETWORK: "network or clock",
    PERMISSION: "no permission",
    TRY_AGAIN: "try again",
    CONFIGURATION: "settings",
}
OF_FAULTS = {
    FaultCode.NETWORK: NETWORK,
    FaultCode.CREDENTIALS: VENDOR_REFUSED,
    FaultCode.SOUND_IN: AUDIO_DEVICE,
    FaultCode.SOUND_OUT: AUDIO_DEVICE,
    FaultCode.SERVICE: NO_VENDOR,
    FaultCode.BOX: CONFIGURATION,
}
