"""boothd: an interpretation booth in a box. `README.md` draws the house; `conductor.py` tells the story."""
