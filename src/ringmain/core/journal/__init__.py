"""The journal: the durable, sequenced log of one engine's commands; the only truth.

- :mod:`format`: what the bytes mean
- :mod:`scan`: reading, and telling a torn end from damage
- :mod:`segments`: prewritten files, their lock, retention
- :mod:`writer`: group commit beside the running engine
- :mod:`tools`: verify, repair, export
"""
