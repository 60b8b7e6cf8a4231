"""`python -m skysift.cli`."""

from skysift.cli import main

main()
