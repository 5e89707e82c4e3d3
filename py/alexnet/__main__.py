"""`python -m alexnet` is `alexctl`."""

from alexnet.cli import main

main()
