"""Who runs the processes of a folder is asked over a socket, by its owner alone."""

import contextlib
import os
import socket
import stat

import pytest

from app import control
from deploy.local import control as server
from deploy.local.errors import LauncherError


def test_run_is_asked_over_a_socket_that_its_owner_alone_may_use(tmp_path):
    folder = tmp_path / ("deep" * 30)  # longer than an address of a socket may be
    folder.mkdir()
    actions = {"scale": lambda stage, count: [f"{stage}: {count}"]}
    with server.serve(folder, actions):
        mode = (folder / "control.sock").stat().st_mode
        assert (True, 0o600) == (stat.S_ISSOCK(mode), mode & 0o777)
        done = control.ask(folder, "scale", seconds_max=5, stage="worker", count=2)
        assert ["worker: 2"] == done
    with pytest.raises(control.NoRun, match="nothing runs in"):
        control.ask(folder, "ps", seconds_max=5)


def test_what_cannot_be_done_is_said_to_who_asked(tmp_path):
    def scale(stage, count):
        raise LauncherError("worker: 9 would share 8 lanes")

    with server.serve(tmp_path, {"scale": scale}):
        for do, more, said in (
            ("scale", {"stage": "worker", "count": 9}, "9 would share 8 lanes"),
            ("scale", {}, "missing 2 required"),
            ("dance", {}, "not understood"),
        ):
            with pytest.raises(control.NotDone, match=said):
                control.ask(tmp_path, do, seconds_max=5, **more)


@pytest.mark.parametrize("request_", [b"", b"{\n", b"[1]\n", b"x" * 100_000])
def test_nonsense_on_the_socket_ends_nothing(tmp_path, request_):
    with server.serve(tmp_path, {"ps": lambda: "here"}):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(tmp_path / "control.sock"))
            client.sendall(request_)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):  # it read no more
                client.recv(100)
        assert "here" == control.ask(tmp_path, "ps", seconds_max=5)


def test_socket_of_a_launcher_that_was_killed_is_no_run(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "control.sock"))
    with pytest.raises(control.NoRun):
        control.ask(tmp_path, "ps", seconds_max=5)
    with server.serve(tmp_path, {"ps": os.getpid}):
        assert os.getpid() == control.ask(tmp_path, "ps", seconds_max=5)
