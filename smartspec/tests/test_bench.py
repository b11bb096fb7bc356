"""What benches stand on tells the truth."""

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import pytest

from smartspec.bench import chart
from smartspec.bench.errors import BenchError
from smartspec.bench.load import Visit, load, once, request


class Echo(BaseHTTPRequestHandler):
    """Answers with what came, and with the status that the path names."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class TestLoad:
    def test_makes_as_many_operations_as_asked_for(self, port: int) -> None:
        seen = load(port, once(lambda chance: request("POST", "/200", body=b"x")), connections=4, operations=50)
        assert seen.operations == 50
        assert 0 < seen.p50_ms <= seen.p95_ms <= seen.p99_ms

    def test_counts_a_visit_of_several_requests_as_one_operation(self, port: int) -> None:
        bodies: list[bytes] = []

        def visit(chance: random.Random) -> Visit:
            first = yield request("POST", "/201", body=b"first")
            second = yield request("POST", "/200", body=b"after " + first.body)
            bodies.append(second.body)

        assert load(port, visit, connections=2, operations=6).operations == 6
        assert bodies == [b"after first"] * 6

    def test_stops_at_an_answer_that_is_none_of_success(self, port: int) -> None:
        with pytest.raises(BenchError, match="answered 503: busy"):
            load(port, once(lambda chance: request("POST", "/503", body=b"busy")), connections=1, seconds=5)


@pytest.mark.parametrize("names", [["one < two"], ["a", "b"], ["a", "b", "c", "d", "e", "f"]])
def test_a_chart_is_well_formed_and_marks_every_point(names: list[str]) -> None:
    series = {name: {1: 1000.0 * place, 4: 2500.0, 16: 100.0} for place, name in enumerate(names, 1)}
    drawing = ElementTree.fromstring(chart.growth_svg(series, title="a & b", caption="clients; a < b"))
    dots = [dot for dot in drawing.iter("{http://www.w3.org/2000/svg}circle") if len(dot)]
    assert len(dots) == 3 * len(names)
