"""What is said where a laboratory cannot come up."""

from dataclasses import replace

import pytest
from tests.lab.missing import Facts, complaints, is_debian
from tests.lab.places import Network

NETWORK = Network("bemlab0", "198.18.0.0/24")
GOOD = Facts(
    root=True,
    system="debian",
    packages=(),
    kernel=(),
    port_taken=False,
    up=None,
    overlap=None,
    free_gigabytes=50.0,
)


def test_nothing_is_missing_on_a_good_machine() -> None:
    assert complaints(GOOD, NETWORK) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(GOOD, root=False), ["not root", "sudo bin/lab"]),
        (replace(GOOD, system="fedora"), ["this system is fedora", "Debian or Ubuntu"]),
        (replace(GOOD, packages=("iptables",)), ["sudo apt-get install iptables"]),
        (replace(GOOD, kernel=("bridge",)), ["the kernel has no bridge"]),
        (replace(GOOD, port_taken=True), ["port 8869", "--port N"]),
        (replace(GOOD, up="lab"), ["up already", "bin/lab down"]),
        (replace(GOOD, overlap="address 198.18.0.7/24 of eth0"), ["eth0", "BEM_LAB_SUBNET"]),
        (replace(GOOD, free_gigabytes=0.5), ["only 0.5 GB", "BEM_LAB_STATE"]),
        (replace(GOOD, processor="aarch64"), ["aarch64", "a kernel for x86_64"]),
    ],
)
def test_each_is_said_with_its_remedy(facts: Facts, said: list[str]) -> None:
    (found,) = complaints(facts, NETWORK)
    assert all(part in found for part in said)


def test_a_virtual_machine_needs_less_room() -> None:
    facts = replace(GOOD, free_gigabytes=2.0)
    assert complaints(facts, NETWORK)
    assert not complaints(replace(facts, wanted_gigabytes=1), NETWORK)


def test_everything_is_said_at_once() -> None:
    facts = replace(GOOD, root=False, packages=("mmdebstrap",), port_taken=True, up="lab")
    assert len(complaints(facts, NETWORK)) == 4


@pytest.mark.parametrize("system", ["debian", "ubuntu debian", "raspbian debian", "pop ubuntu"])
def test_children_of_debian_will_do(system: str) -> None:
    assert is_debian(system)
    assert not is_debian("fedora rhel")
