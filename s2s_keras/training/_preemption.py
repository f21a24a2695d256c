"""SIGTERM: what a scheduler sends to a process that has to make room."""

import os
import signal
import threading
import time

from s2s_keras.training import distribution

_ASK_EVERY = 10  # steps, of several processes whether one of them is to stop
_IMPATIENT = 10.0  # seconds after which another SIGTERM is obeyed at once


class Preemption:
    """Remembers SIGTERM between `watch` and `forget`, and lets all processes agree on the step to stop at."""

    def __init__(self):
        self._since = self._previous = None
        self._several = distribution.process_count() > 1

    def watch(self):
        if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
            self._previous = signal.signal(signal.SIGTERM, self._on_signal) or signal.SIG_DFL

    def forget(self):
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def asked(self, before=None, step=None):
        """Whether to stop: of several processes all call this at the same steps, `before` being that of the last call.

        Without steps all agree at once; with steps only every few of them, since asking takes time.
        """
        if not self._several:
            return self._since is not None
        if step is not None and before // _ASK_EVERY == step // _ASK_EVERY:
            return False
        return distribution.any_process(self._since is not None)

    def _on_signal(self, number, frame):
        now = time.monotonic()
        if self._since is None:
            self._since = now
        elif now - self._since > _IMPATIENT:  # not at once: launchers and schedulers may both send it
            self.forget()
            os.kill(os.getpid(), signal.SIGTERM)
