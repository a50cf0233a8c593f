"""The search for secrets finds them; a search that finds nothing anywhere proves nothing."""

import subprocess
from pathlib import Path

from tests.lab.leaks import Needles, needles, processes, readable_files

SECRET = "q7Jw-a_secret-of-the-laboratory"
KEY = "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIIGqk1xs2Jd\nQw==\n-----END PRIVATE KEY-----\n"


def test_finds_a_secret_by_name() -> None:
    assert Needles({"web": SECRET, "other": "x" * 20}).found_in(f"a={SECRET};".encode()) == {"web"}


def test_finds_any_long_line_of_a_key() -> None:
    assert needles(KEY) == ["MHcCAQEEIIGqk1xs2Jd"]


def test_finds_a_secret_in_the_environment_of_a_process() -> None:
    wanted = Needles({"web": SECRET})
    child = subprocess.Popen(["sleep", "60"], env={"PASSWORD": SECRET})
    try:
        hits = [place for place, data in processes() if wanted.found_in(data)]
    finally:
        child.kill()
        child.wait()

    assert hits == [f"environ of process {child.pid}"]


def test_finds_what_anybody_can_read_and_only_that(tmp_path: Path) -> None:
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (tmp_path / name).write_text(SECRET)
        (tmp_path / name).chmod(mode)
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "open").write_text(SECRET)
    (hidden / "open").chmod(0o644)

    places = [place for place, data in readable_files(tmp_path) if SECRET.encode() in data]

    assert places == [str(tmp_path / "open")]
