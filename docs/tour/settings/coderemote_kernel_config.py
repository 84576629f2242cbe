# Settings of the tour; `make lab` and `make demo` read them. docs/configuration.md has them all.
c = get_config()  # noqa: F821 - Jupyter provides it

# Long enough for a plot on a slow computer, short enough to wait for: the usual limit is 120.
c.CodeRemoteKernel.cell_timeout_s = 15
