"""Write docs/variables.md from the roles: ``_variables.py [--check]``.

The argument specifications of the roles are the source; with ``--check`` nothing is written and
the exit code says whether the page is up to date.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "variables.md"
ORDER = (
    "base",
    "firewall",
    "certificate",
    "release",
    "mysql",
    "rabbitmq",
    "manager",
    "web",
    "backup",
    "node",
)
HEAD = """# Every variable

Written by `bin/_variables.py` from the roles' `meta/argument_specs.yml`; do not edit it by hand.
Set a variable in `group_vars` or `host_vars` of your inventory. A secret has no default:
`playbooks/secrets.yml` writes it into the vault ([secrets](secrets.md)).
"""


def page() -> str:
    """Build the whole page."""
    return "\n".join([HEAD, *(section(role) for role in ORDER)])


def section(role: str) -> str:
    """Build one role's part."""
    entry = specification(role)
    lines = [f"## {role}", "", f"{entry['short_description']}.".replace("..", "."), ""]
    lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in sorted(entry.get("options", {}).items()):
        lines.append(
            f"| `{name}` | {kind(option)} | {default(option)} | {text(option['description'])} |"
        )
    return "\n".join([*lines, ""])


def specification(role: str) -> dict[str, Any]:
    """Read the main entry of a role's argument specifications."""
    path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    entry: dict[str, Any] = content["argument_specs"]["main"]
    return entry


def kind(option: dict[str, Any]) -> str:
    """Say what a variable holds."""
    if "choices" in option:
        return " or ".join(f"`{choice}`" for choice in option["choices"])
    if "elements" in option:
        return f"{option['type']} of {option['elements']}"
    return str(option.get("type", "str"))


def default(option: dict[str, Any]) -> str:
    """Show a default in one cell."""
    if option.get("required"):
        return "required"
    if "default" not in option:
        return ""
    shown = yaml.safe_dump(option["default"], default_flow_style=True, width=10_000)
    return f"`{cell(shown.removesuffix('...' + chr(10)))}`"


def text(description: str | list[str]) -> str:
    """Join the lines of a description."""
    return cell(description if isinstance(description, str) else " ".join(description))


def cell(content: str) -> str:
    """Make a text fit for a cell of a table."""
    return " ".join(content.split()).replace("|", "\\|")


def main() -> int:
    wanted = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(f"{PAGE} is not what the roles say: python bin/_variables.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
