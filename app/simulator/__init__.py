"""Meters that do not exist: signals, and the injector that publishes them.

population.py   lines, transformers and usage points from a rate
clock.py        simulated time: epochs of 900 s, one per wall second
weather.py      temperature, and a forecast that is truly 12 hours ahead
profiles.py     the day and week of consumers, businesses and industry
voltage.py      generated readings: profile, temperature, bias, noise
household.py    measured readings: stretches of one household's minutes
fleet.py        one cycle of messages: temperature, forecast, every reading
connection.py   NATS, for as long as it takes
publisher.py    JetStream publishing with acknowledgements in flight
injector.py     paces cycles against the clock until told to stop
simulation.py   puts these together and runs them

Signals are pure: the same seed, slot and epoch give the same bytes, in any process and
in any order. Only connection and publisher import nats.
"""
