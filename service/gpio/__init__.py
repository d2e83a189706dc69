"""Buttons and lamps on pins, through gpiozero."""
