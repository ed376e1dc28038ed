"""What this project uses of Airflow beyond its public interface behaves as it takes for granted."""

from __future__ import annotations

import select
import socket
from typing import Any

from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CommsDecoder
from airflow.sdk.execution_time.supervisor import set_supervisor_comms

from ai.starlake.airflow import _airflow_compat


def test_the_socket_of_a_task_becomes_readable_when_its_supervisor_is_gone():
    ours, theirs = socket.socketpair()
    with ours, theirs, set_supervisor_comms(CommsDecoder(socket=ours)):
        fd = _airflow_compat.supervisor_socket()
        assert fd == ours.fileno()
        assert select.select([fd], [], [], 0)[0] == []
        theirs.close()
        assert select.select([fd], [], [], 0)[0] == [fd]


def test_without_a_supervisor_in_another_process_there_is_no_socket(supervisor: Any):
    assert task_runner.SUPERVISOR_COMMS is supervisor
    assert _airflow_compat.supervisor_socket() is None
    with set_supervisor_comms(None):
        assert _airflow_compat.supervisor_socket() is None
