"""Messages, put together from whatever pieces they come in."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.sandbox.aws.traffic.http1 import (
    MAX_HEAD,
    MAX_LINE,
    Malformed,
    Request,
    Response,
    request_reader,
    response_reader,
)

tokens = st.text("abc-", min_size=1, max_size=5)
header_lists = st.lists(st.tuples(tokens.map(lambda name: f"x-{name}"), tokens), max_size=4)
requests = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    target=tokens.map(lambda text: "/" + text),
    headers=header_lists,
    body=st.binary(max_size=20),
)
responses = st.builds(
    Response, status=st.sampled_from([200, 404, 503]), headers=header_lists, body=st.binary(max_size=20)
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(requests, min_size=1, max_size=3), st.lists(st.integers(0, 1000), max_size=6))
def test_requests_come_out_as_they_went_in_however_they_are_cut(sent: list[Request], cuts: list[int]) -> None:
    reader = request_reader()
    data = b"".join(request.encode() for request in sent)
    came = [message for piece in pieces(data, cuts) for message in reader.feed(piece)]
    assert [(r.method, r.target, r.body) for r in came] == [(r.method, r.target, r.body) for r in sent]
    for request, original in zip(came, sent, strict=True):
        assert [found for found in request.headers if found[0] != "content-length"] == original.headers


@given(responses, st.lists(st.integers(0, 1000), max_size=6))
def test_answers_come_out_as_they_went_in_however_they_are_cut(sent: Response, cuts: list[int]) -> None:
    reader = response_reader()
    [came] = [message for piece in pieces(sent.encode(), cuts) for message in reader.feed(piece)]
    assert (came.status, came.body) == (sent.status, sent.body)


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=4), st.lists(st.integers(0, 1000), max_size=6))
def test_chunks_are_put_together(chunks: list[bytes], cuts: list[int]) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    data = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    reader = request_reader()
    [came] = [message for piece in pieces(data, cuts) for message in reader.feed(piece)]
    assert came.body == b"".join(chunks)
    assert not reader.is_amid


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    reader = response_reader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nsome") == []
    ended = reader.end()
    assert ended is not None
    assert ended.body == b"some"


def test_the_answer_to_head_has_a_length_and_no_body() -> None:
    reader = response_reader()
    reader.expects_head_only = True
    [came] = reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
    assert came.body == b""


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_HEAD // 6) + b"\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        request_reader().feed(data)
