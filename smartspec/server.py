"""The web server's worker class: gunicorn's threads, and a deadline for whoever takes their time with a request."""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

ANSWER_TIMEOUTS = 10


class PromptWorker(ThreadWorker):
    """A request must have come whole, headers and body, within gunicorn's `--timeout` seconds.

    A thread reads one request. gunicorn sees to clients that send nothing; those that send a byte a second would hold
    the thread for as long as they like, and sixteen of them the server. What has come whole is not hurried: an answer
    may take ten times as long, only the connection is not kept for another request then. After that it ends: a client
    that reads a byte a second holds a thread as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.began: dict[TConn, float] = {}

    def handle(self, conn: TConn) -> Any:
        self.began[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self.began.pop(conn, None)

    def murder_pending(self) -> None:
        """End what is overdue; gunicorn calls this every second, in the thread that accepts connections."""
        super().murder_pending()
        now = time.monotonic()
        for conn, began in list(self.began.items()):
            with suppress(OSError):  # it has just ended by itself
                if now >= began + ANSWER_TIMEOUTS * self.cfg.timeout:
                    conn.sock.shutdown(socket.SHUT_RDWR)
                elif now >= began + self.cfg.timeout:
                    conn.sock.shutdown(socket.SHUT_RD)  # the read that waits ends as if the client had gone away
