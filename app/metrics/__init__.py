"""Events that count themselves: one module per stage, one function per event.

Nobody outside this package touches a counter. Names are
`smartmeter_<stage>_<noun>_<unit>_total`, base units, labels from closed sets.
"""
