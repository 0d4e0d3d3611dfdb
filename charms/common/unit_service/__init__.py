"""Run a server as a service of a Juju unit: what the charms of this project have in common.

It knows nothing of Juju's framework and nothing of mail. `service` starts and stops a program,
under systemd or detached, `supervisor` keeps it running where systemd does not, `reports` is how
the program says what it does, `certificates` makes its certificate and the authority behind it,
`files` is where all of it lies, and `processes` tells one process from another.

A charm ships a copy of this folder in its `lib`, which the Makefile makes when it packs.
"""
