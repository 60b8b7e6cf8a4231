"""`python -m skysift`."""

from skysift.cli import main

main()
