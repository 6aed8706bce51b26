"""The local Service Bus is a piece of its own: it brings nothing of the package with it, and no vendor."""

import subprocess
import sys

SHOW = """
import sys
import AgentOperatingSystem.hosting.servicebus_emulator.server
import AgentOperatingSystem.hosting.servicebus_emulator.certificate
import AgentOperatingSystem.hosting.servicebus_emulator.config_file
print(*(name for name in sys.modules if name.startswith(("AgentOperatingSystem.", "azure"))))
"""


def test_it_imports_nothing_else_of_the_package() -> None:
    ran = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, timeout=60, check=True)
    own = "AgentOperatingSystem.hosting"
    assert [
        name for name in ran.stdout.split() if name != own and not name.startswith(f"{own}.servicebus_emulator")
    ] == []
