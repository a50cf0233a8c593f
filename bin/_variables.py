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
    entry, defaults = specification(role), read(role, "defaults/main.yml")
    lines = [f"## {role}", "", f"{entry['short_description']}.".replace("..", "."), ""]
    lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in sorted(entry.get("options", {}).items()):
        lines.append(
            f"| `{name}` | {kind(option)} | {default(defaults, name, option)} "
            f"| {text(option['description'])} |"
        )
    return "\n".join([*lines, ""])


def specification(role: str) -> dict[str, Any]:
    """Read the main entry of a role's argument specifications."""
    entry: dict[str, Any] = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]
    return entry


def read(role: str, name: str) -> dict[str, Any]:
    """Read a YAML file of a role."""
    path = ROOT / "roles" / role / name
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return content


def kind(option: dict[str, Any]) -> str:
    """Say what a variable holds."""
    if "choices" in option:
        return " or ".join(f"`{choice}`" for choice in option["choices"])
    if "elements" in option:
        return f"{option['type']} of {option['elements']}"
    return str(option.get("type", "str"))


def default(defaults: dict[str, Any], name: str, option: dict[str, Any]) -> str:
    """Show a default in one cell."""
    if option.get("required"):
        return "required"
    if name not in defaults:
        return ""
    value = defaults[name]
    if isinstance(value, str) and "{{" in value:
        return f"[derived](../roles/{name.partition('_')[0]}/defaults/main.yml)"
    shown = yaml.safe_dump(value, default_flow_style=True, width=10_000)
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
