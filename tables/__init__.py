"""Tables: the state of each agent, one partition at a time, durable in a journal.

journal.py    the records of a journal and how a state is read back from them
table.py      a Faust table whose changelog is such a journal
maxima.py     the open windows of each lane
fleet.py      how far each lane has closed, and the maxima that wait for the others
store.py      the store behind it: which journals are here, and their recovery
models.py     the forecasting model of each lane
"""
