"""The command line of ``bin/lab``."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from . import scenarios, vm
from .controller import FIRST_ACCOUNT, Controller
from .image import remove_images
from .inventory import node_number
from .machines import Lab, Machine, alone
from .missing import LABORATORY
from .places import WEB_PORT, network, state_folder
from .plan import SUITES, Place, Plan, PlanError, read_plan
from .relay import Relay
from .shell import LabError
from .simulators import converters, files

ABOUT = """\
Boot a laboratory on this computer: one server and two cycler nodes as real Debian machines with
systemd, simulated converters beside the nodes, everything on them by site.yml. Needs root on
Debian or Ubuntu. `down` leaves nothing behind but the root file systems in /var/cache/bem-lab;
`down --all` takes them too.
"""
Action = Callable[[argparse.Namespace], int]
POWER = {"cut": Machine.cut, "boot": Machine.boot, "reboot": Machine.reboot, "reset": Machine.reset}


def main() -> int:
    options = _parser().parse_args()
    if os.getuid():
        sys.stderr.write("bin/lab: not root: sudo bin/lab …\n")
        return 1
    try:
        found: int = options.run(options)
    except (LabError, PlanError) as error:
        sys.stderr.write(f"bin/lab: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nbin/lab: broken off; bin/lab up goes on, bin/lab down ends it\n")
        return 130
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/lab", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = parser.add_subparsers(required=True, metavar="WORD")

    def word(
        name: str, run: Callable[[argparse.Namespace], int], about: str
    ) -> argparse.ArgumentParser:
        found = words.add_parser(name, help=about, description=about)
        found.set_defaults(run=run)
        found.add_argument("--lab", default=LABORATORY, help=argparse.SUPPRESS)
        return found

    up = word("up", _up, "boot the machines and run site.yml; goes on after one broken off")
    up.add_argument("--port", type=_port, default=WEB_PORT, help="port of the page (8869)")
    up.add_argument("--suite", choices=SUITES, default="bookworm", help="Debian of the machines")
    up.add_argument("--servers", type=int, choices=(1, 3), default=1, help="3 make a cluster")
    up.add_argument("--nodes", type=int, default=2, help="number of cycler nodes (2)")
    up.add_argument("--bare", action="store_true", help="only boot them; run no playbook")
    word("status", _status, "show machines, addresses, whether they run, units that failed")
    ssh = word("ssh", _ssh, "log in to a machine as root, or run a command there")
    ssh.add_argument("name")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    machine = word("machine", _machine, "cut, boot, reboot or reset a machine, pull its cable")
    machine.add_argument("action", choices=[*POWER, "link-down", "link-up"])
    machine.add_argument("names", nargs="*", metavar="NAME", help="all when none is named")
    down = word("down", _down, "end and remove everything")
    down.add_argument("--all", action="store_true", help="also remove the cached file systems")
    test = word("test", _test, "run molecule scenarios on machines of their own")
    test.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="`default` when none is named"
    )
    test.add_argument("--list", action="store_true", help="list the scenarios and end")
    test.add_argument("--keep", action="store_true", help="keep the machines of a failed one")
    machine = word("vm", _vm, "run tests/vm under Debian's own kernel in QEMU, with CAN interfaces")
    machine.add_argument("-k", metavar="EXPRESSION", help="only these tests, as pytest's -k")
    machine.add_argument("--junit", type=Path, metavar="FILE", help="write their results there")
    create = word("create", _create, "make the machines of a scenario (used by molecule)")
    create.add_argument("plan", type=Path)
    return parser


def _up(options: argparse.Namespace) -> int:
    with alone(), _times() as stage:
        lab = _opened(options.lab) or _new(options)
        controller = Controller(lab)
        with stage("machines"):
            _boot(lab, controller)
        if options.bare:
            return _status(options)
        with stage("secrets"):
            controller.make_secrets()
        with stage("site.yml"):
            controller.play("site.yml")
        relay = Relay(lab.folder)
        relay.start(options.port, f"{lab.machines[0].address}:{WEB_PORT}")
        # So that nobody takes it for one that was broken off.
        (lab.folder / "up").touch()
    sys.stdout.write(
        f"\nThe laboratory is up: https://localhost:{options.port}\n"
        f"  sign in as {FIRST_ACCOUNT}; the password is in {controller.password}\n"
        f"  its certificate is signed by the laboratory's own authority: accept it in the browser\n"
        "  bin/lab status, bin/lab ssh NAME, bin/lab down\n"
    )
    return 0


def _status(options: argparse.Namespace) -> int:
    lab = _opened(options.lab)
    if lab is None:
        sys.stdout.write("No laboratory. sudo bin/lab up makes one.\n")
        return 1
    for machine in lab.machines:
        state = machine.state()
        line = f"{machine.name:<14} {machine.address:<15} {machine.place.suite:<9} {state}"
        if state not in ("off", "silent"):
            listing = machine.run("systemctl list-units --failed --plain --no-legend")
            failed = [row.split()[0] for row in listing.splitlines()]
            line += f"  failed: {', '.join(failed)}" if failed else ""
        sys.stdout.write(f"{line}\n")
    relay = Relay(lab.folder)
    if relay.process is not None:
        sys.stdout.write(
            f"page: https://localhost:{relay.port}, sign in as {FIRST_ACCOUNT}, "
            f"password in {Controller(lab).password}\n"
        )
    elif not (lab.folder / "up").exists():
        sys.stdout.write("site.yml has not run to its end: bin/lab up goes on\n")
    return 0


def _ssh(options: argparse.Namespace) -> int:
    command = Lab.open(options.lab).machine(options.name).ssh()
    return subprocess.run([*command, *options.command], check=False).returncode


def _machine(options: argparse.Namespace) -> int:
    lab = Lab.open(options.lab)
    machines = [lab.machine(name) for name in options.names] or lab.machines
    if options.action in POWER:
        lab.each(POWER[options.action], machines)
    else:
        for machine in machines:
            machine.link(up=options.action == "link-up")
    return 0


def _down(options: argparse.Namespace) -> int:
    with alone():
        lab = _opened(options.lab)
        if lab is not None:
            Relay(lab.folder).end()
            Controller(lab).hang_up()
            lab.remove()
        elif (state_folder() / options.lab).is_dir():
            # It was broken off before there was anything in it.
            shutil.rmtree(state_folder() / options.lab)
        if options.all:
            remaining = [path.name for path in state_folder().iterdir()]
            if remaining:
                raise LabError(f"the file systems are in use by {', '.join(remaining)}")
            remove_images()
    sys.stdout.write("No laboratory is left.\n" if lab is None else f"{lab.name} has ended.\n")
    return 0


def _create(options: argparse.Namespace) -> int:
    try:
        plan = read_plan(yaml.safe_load(options.plan.read_text(encoding="utf-8")))
    except OSError as error:
        raise PlanError(f"{options.plan}: {error.strerror}") from error
    with alone():
        lab = Lab(options.lab, network(test=True), plan)
        _boot(lab, Controller(lab))
    return 0


def _test(options: argparse.Namespace) -> int:
    known = scenarios.known()
    if options.list:
        sys.stdout.writelines(f"{one.name:<10} {one.about}\n" for one in known.values())
        return 0
    wanted = options.scenarios or ["default"]
    if unknown := sorted(set(wanted) - set(known)):
        raise LabError(f"{', '.join(unknown)}: no such scenario; there are {', '.join(known)}")
    return scenarios.run([known[name] for name in wanted], keep=options.keep)


def _vm(options: argparse.Namespace) -> int:
    return vm.run_tests(options.k, options.junit)


def _boot(lab: Lab, controller: Controller) -> None:
    lab.lay_down()
    controller.prepare()

    def on_disk(place: Place) -> Mapping[str, str]:
        return files(converters(place, node_number(place, lab.plan)))

    lab.switch_on(on_disk)


def _new(options: argparse.Namespace) -> Lab:
    plan = Plan(
        servers=options.servers,
        nodes=options.nodes,
        server_suite=options.suite,
        node_suite=options.suite,
    )
    return Lab(options.lab, network(test=False), plan)


def _opened(name: str) -> Lab | None:
    return Lab.open(name) if (state_folder() / name / "lab.json").exists() else None


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text}: 1 to 65535")
    return int(text)


@contextmanager
def _times() -> Iterator[Callable[[str], "_Stage"]]:
    """Note how long each stage takes and say it at the end."""
    began = time.monotonic()
    taken: list[tuple[str, float]] = []
    yield lambda what: _Stage(what, taken)
    taken.append(("total", time.monotonic() - began))
    sys.stdout.write("\n" + "".join(f"{what:<10} {took:6.1f} s\n" for what, took in taken))


class _Stage:
    def __init__(self, what: str, taken: list[tuple[str, float]]) -> None:
        self._what = what
        self._taken = taken

    def __enter__(self) -> None:
        sys.stdout.write(f"… {self._what}\n")
        sys.stdout.flush()
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._taken.append((self._what, time.monotonic() - self._began))


if __name__ == "__main__":
    sys.exit(main())
