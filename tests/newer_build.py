"""A later build of the product: its frames have a column that this one does not know.

`python -m tests.newer_build bridge` is `smartmeter bridge` of that build. It writes the
column `quality`, and takes frames that lack it.
"""

import numpy as np
import orjson

from app.wire import frames

COLUMN = "quality"
GOOD = 192

_encode, _decode = frames.encode_frame, frames.decode_frame


def encode_frame(frame):
    fields = orjson.loads(_encode(frame))
    fields[COLUMN] = [GOOD] * len(frame.readings)
    return orjson.dumps(fields)


def decode_frame(value, *, extra=False):
    frame = _decode(value, extra=extra)
    quality = np.array(orjson.loads(value).get(COLUMN) or [], np.int64)
    if len(quality) not in {0, len(frame.readings)}:
        raise ValueError(f"{len(quality)} qualities of {len(frame.readings)} rows")
    return frame


if __name__ == "__main__":
    # Before anything takes the names from there.
    frames.encode_frame, frames.decode_frame = encode_frame, decode_frame
    from app.cli import main

    main()
