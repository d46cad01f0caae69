"""``python -m lockdown`` is the command ``lockdown``."""

from lockdown.cli import main

main()
