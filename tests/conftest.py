"""What all tests need: a Ctrl-C that reaches the programs they start, however they were started themselves."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it for a command in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
