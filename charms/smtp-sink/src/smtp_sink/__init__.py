"""The mail catcher of the SMTP sink charm, which knows nothing of Juju.

`settings` says what an operator may configure, `server` is the SMTP server's process, `messages`
what it keeps, `certificates` its certificate and the authority behind it, `service` starts and
stops it, `supervisor` keeps it running where systemd does not, `state` holds the files through
which these talk to each other, and `processes` tells one process from another.
"""
