"""Events that count themselves: one module per stage, one function per event.

Nobody outside this package touches a counter. Names are
`smartmeter_<stage>_<noun>_<unit>_total`, base units, labels from closed sets; what is
read at each scrape is declared in a module's FAMILIES. A test holds all of it.
"""

from prometheus_client import disable_created_metrics

# When a series began says nothing here, and would double their number.
disable_created_metrics()
