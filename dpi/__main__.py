from dpi.cli import main

main()
