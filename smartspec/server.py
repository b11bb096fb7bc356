"""The web server's worker class: gunicorn's threads, and a deadline for whoever takes their time with a request."""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker


class PromptWorker(ThreadWorker):
    """A request must have come whole, headers and body, within gunicorn's `--timeout` seconds.

    A thread reads one request. gunicorn sees to clients that send nothing; those that send a byte a second would hold
    the thread for as long as they like, and sixteen of them the server. What has come whole is not hurried: an answer
    may take longer, only the connection is not kept for another request then.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadlines: dict[TConn, float] = {}

    def handle(self, conn: TConn) -> Any:
        self.deadlines[conn] = time.monotonic() + self.cfg.timeout
        try:
            return super().handle(conn)
        finally:
            self.deadlines.pop(conn, None)

    def murder_pending(self) -> None:
        """End what is overdue; gunicorn calls this every second, in the thread that accepts connections."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self.deadlines.items()):
            if deadline <= now:
                with suppress(OSError):  # it has just ended by itself
                    conn.sock.shutdown(socket.SHUT_RD)  # the read that waits ends as if the client had gone away
