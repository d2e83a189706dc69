"""Buttons and lamps: on a Raspberry Pi's pins through gpiozero, on other boards' lines through lgpio."""
