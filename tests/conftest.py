"""What every test may rely on, however the tests are started."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job (`pytest &`, `nohup`) begins deaf to Ctrl-C, and so would the processes that tests start
    # and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
