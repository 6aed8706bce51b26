"""Writes down what the Azure Verified Modules that infra/ uses expect: tests/unit/infra/modules.json.

    git clone https://github.com/Azure/bicep-registry-modules ../bicep-registry-modules
    python scripts/avm_table.py ../bicep-registry-modules

The table is read from each module's compiled template at the very version that infra/ names, so that what is written
here in Bicep can be checked where no Bicep compiler and no network is at hand. Run it again after a version is changed.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "tests" / "unit" / "infra" / "modules.json"
_USED = re.compile(r"'br/public:(avm/[a-z0-9/-]+):([0-9.]+)'")
_DEPTH_MAX = 5


def used() -> dict[str, str]:
    """The modules that infra/ uses, with their versions."""
    texts = [path.read_text() for path in sorted((ROOT / "infra").rglob("*.bicep"))]
    return dict(sorted({name: version for text in texts for name, version in _USED.findall(text)}.items()))


def template(clone: Path, name: str, version: str) -> dict[str, Any]:
    """A module's compiled template at a version."""
    shown = ["git", "-C", str(clone), "show", f"{name}/{version}:{name}/main.json"]
    done = subprocess.run(shown, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} {version}: {done.stderr.strip()} (is {clone} a clone of Azure/bicep-registry-modules?)")
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def shape(schema: dict[str, Any], definitions: dict[str, Any], depth: int = 0) -> Any:
    """What a value looks like: the keys of an object, those it needs, the items of a list; None for anything else."""
    if "$ref" in schema:
        target = schema["$ref"].removeprefix("#/definitions/")
        return shape(definitions[target], definitions, depth) if target in definitions else None
    if depth >= _DEPTH_MAX:
        return None
    if schema.get("type") == "array" and "items" in schema:
        return {"items": shape(schema["items"], definitions, depth + 1)}
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        keys = {name: shape(each, definitions, depth + 1) for name, each in schema["properties"].items()}
        return {"keys": keys, "needs": [name for name, each in schema["properties"].items() if is_needed(each)]}
    return None


def is_needed(schema: dict[str, Any]) -> bool:
    """Whether a value must be given."""
    return "defaultValue" not in schema and not schema.get("nullable", False)


def entry(content: dict[str, Any], version: str) -> dict[str, Any]:
    """One module's line of the table."""
    definitions = content.get("definitions", {})
    parameters = content["parameters"]
    return {
        "version": version,
        "needs": [name for name, each in parameters.items() if is_needed(each)],
        "parameters": {name: shape(each, definitions) for name, each in sorted(parameters.items())},
        "outputs": sorted(content.get("outputs", {})),
    }


def main() -> None:
    """Writes the table anew."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    clone = Path(sys.argv[1])
    table = {name: entry(template(clone, name, version), version) for name, version in used().items()}
    TABLE.write_text(json.dumps(table, separators=(",", ":")).replace('"avm/', '\n"avm/') + "\n")
    print(f"{TABLE.relative_to(ROOT)}: {len(table)} modules")


if __name__ == "__main__":
    main()
