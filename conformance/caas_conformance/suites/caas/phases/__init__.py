"""The phases, a room each for whose behaviour they judge; ids do not follow the rooms.

A phase is found by being here; what several of them need is beside this folder.
"""
