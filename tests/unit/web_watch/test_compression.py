"""Pages travel compressed, event streams do not."""

import gzip

import pytest
from django.test import Client


@pytest.mark.django_db
def test_a_page_is_compressed_for_who_can_read_it() -> None:
    plain = Client().get("/sign-in/")
    small = Client().get("/sign-in/", headers={"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert len(small.content) < len(plain.content)
    assert b"Battery Experiments Manager" in gzip.decompress(small.content)
