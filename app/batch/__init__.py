"""Work over everything that is stored: run by hand or by night, never in a worker.

averages.py   voltage by line, transformer and day
verify.py     windows and maxima recomputed from the raw rows, and compared
recomputed.py one transformer's day of windows

Memory is bounded whatever the tables' size: partitions come one by one.
"""
