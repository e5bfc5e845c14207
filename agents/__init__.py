"""Agents: thin. Each decides, calls the domain, sends, and commits.

windows.py    frames to windows, exactly once
fleet.py      each lane's maxima to the fleet's
forecast.py   closed windows to predictions, which it scores and learns from
archive.py    everything to the store
"""
