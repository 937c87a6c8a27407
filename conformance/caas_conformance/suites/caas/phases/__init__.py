"""The phases, a room each for whose behaviour they judge; ids do not follow the rooms."""
