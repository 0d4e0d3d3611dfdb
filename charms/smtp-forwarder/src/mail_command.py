"""Run a tool of the machine: `python mail_command.py TOOL FILE [ARGUMENT…]`.

FILE is what the charm tells the tools. The launchers that the charm installs call this.
"""

import importlib
import sys

TOOLS = {
    "changed": "changed",
    "mailq": "mailq",
    "sendmail": "sendmail",
    "smtp-send": "smtp_send",
    "smtp-settings": "smtp_settings",
}


def main() -> int:
    """Run the tool that the command line names; return the exit code."""
    name, told, *arguments = sys.argv[1:]
    tool = importlib.import_module(f"forwarder.tools.{TOOLS[name]}")
    return int(tool.main(told, arguments))


if __name__ == "__main__":
    sys.exit(main())
