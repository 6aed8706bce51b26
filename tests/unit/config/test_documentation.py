"""docs/configuration.md and the code say the same, and no other module reads the environment."""

import ast
from pathlib import Path

from pydantic.fields import FieldInfo

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.layers import environment_names

ROOT = Path(__file__).parents[3]
KIB, MIB = 1024, 1024 * 1024


def table() -> str:
    """The table of docs/configuration.md as the code would write it; paste it there where this file fails."""
    head = "| setting | default | environment | meaning |\n|---|---|---|---|\n"
    return head + "".join(f"{row(name, field)}\n" for name, field in AOSConfig.model_fields.items())


def row(name: str, field: FieldInfo) -> str:
    variables = ", ".join(f"`{variable}`" for variable in environment_names(name))
    return f"| `{name}` | {default(field)} | {variables} | {field.description} |"


def default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return "none"
    if "in bytes" in (field.description or ""):
        return f"{value // MIB} MiB" if value % MIB == 0 else f"{value // KIB} KiB"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_the_documentation_lists_every_setting_as_it_is() -> None:
    assert table() in (ROOT / "docs" / "configuration.md").read_text()


def test_secrets_are_called_secret() -> None:
    for name, field in AOSConfig.model_fields.items():
        assert ("SecretStr" in str(field.annotation)) == (field.description or "").startswith("Secret. "), name


def test_only_the_configuration_reads_the_environment() -> None:
    """Handing the whole environment to a child is no reading; `proof` adds its own path to a PYTHONPATH, and the cage
    of the sandbox empties its own.
    """
    package = ROOT / "AgentOperatingSystem"
    files = [path for path in package.rglob("*.py") if package / "tools" / "sandbox" / "cage" not in path.parents]
    readers = {path.relative_to(package).parts[0] for path in files if reads_environment(path)}
    assert readers - {"proof"} == {"config"}


def reads_environment(path: Path) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    nodes = list(ast.walk(ast.parse(path.read_text())))
    handed_on = [
        value
        for node in nodes
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is None
    ]
    return any(
        (
            isinstance(node, ast.Attribute)
            and node not in handed_on
            and node.attr in names
            and ast.unparse(node.value) == "os"
        )
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any(name.name in names for name in node.names))
        for node in nodes
    )
