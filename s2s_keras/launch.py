"""Several processes on this machine that train together."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

GRACE = 30  # seconds that processes get to stop by themselves, after one has failed or the launcher was told to stop


def launch(count, command, grace=GRACE):
    """Runs one command in several processes that train together, and waits for them.

    Every process gets the environment variables that `distribution.connect` reads, among them `TF_CONFIG`, so that
    `tf.distribute.MultiWorkerMirroredStrategy()` in a script of one's own finds the others, too. What they print is
    passed on with the number of the process before each line. If one fails, the others are stopped: they would wait for
    it for ever. SIGTERM and SIGINT are passed on, so that processes can save what they have.

    Args:
        count: int, number of processes.
        command: list of str, program and arguments.
        grace: float, seconds between asking processes to stop and killing them. Default 30.

    Returns:
        int, exit code: 0 if all processes succeeded, else that of the first that failed.

    Raises:
        ValueError: `count` is below 1.

    Example:

    >>> launch(1, [sys.executable, "-c", ""])
    0
    """
    if count < 1:
        raise ValueError(f"At least one process is needed. Received: count={count}.")
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    processes = [_start(command, addresses, index) for index in range(count)]
    printers = [threading.Thread(target=_pass_on, args=(k, p.stdout), daemon=True) for k, p in enumerate(processes)]
    for printer in printers:
        printer.start()
    received = []
    handlers = {s: signal.signal(s, lambda number, frame: received.append(number)) for s in _signals()}
    try:
        code = _wait(processes, received, grace)
    finally:
        for process in processes:
            _kill_group(process, signal.SIGKILL)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for printer in printers:
        printer.join(timeout=5)
    return code


def _signals():
    in_main_thread = threading.current_thread() is threading.main_thread()
    return (signal.SIGTERM, signal.SIGINT) if in_main_thread else ()


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def _start(command, addresses, index):
    workers = ", ".join(f'"{address}"' for address in addresses)
    environment = {
        **os.environ,
        "TF_CONFIG": f'{{"cluster": {{"worker": [{workers}]}}, "task": {{"type": "worker", "index": {index}}}}}',
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(addresses),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(addresses)),
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True
    )


def _pass_on(index, stream):
    for line in stream:
        sys.stdout.write(f"[{index}] {line}")
        sys.stdout.flush()


def _wait(processes, received, grace):
    deadline, code = None, 0
    while True:
        codes = [process.poll() for process in processes]
        if all(c is not None for c in codes):
            code = code or next((c for c in codes if c), 0)
            return code if code >= 0 else 128 - code  # as a shell has it for a signal
        failed = next((k for k, c in enumerate(codes) if c), None)
        stop = received.pop() if received else None
        if stop is None and failed is not None and deadline is None:
            code, stop = codes[failed], signal.SIGTERM
            print(
                f"s2s-keras: process {failed} {_how(code)}; the others are stopped. Go on from the last checkpoint "
                "with --resume.",
                file=sys.stderr,
                flush=True,
            )
        if stop is not None:
            deadline = time.monotonic() + grace
            for process in processes:
                _kill_group(process, stop)
        if deadline is not None and time.monotonic() > deadline:
            for process in processes:
                _kill_group(process, signal.SIGKILL)
        time.sleep(0.1)


def _how(code):
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"


def _kill_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
