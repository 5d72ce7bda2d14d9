"""The command line: `main` reads the options, and each command has a module, loaded when it is asked for."""
