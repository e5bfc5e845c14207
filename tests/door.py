"""A way to a server that can be closed: connections are cut, and refused."""

import contextlib
import socket
import threading

__all__ = ["Door"]


class Door:
    """Carries connections to an address while it is open."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._sockets = []
        self._open = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.close()
        self._listener.close()

    def open(self):
        self._open = True

    def close(self):
        self._open = False
        for end in self._sockets:
            with contextlib.suppress(OSError):  # it may be closed already
                end.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source, target):
        with contextlib.suppress(OSError):  # the door was closed
            while data := source.recv(1 << 16):
                target.sendall(data)
        source.close()
        target.close()
