"""The mail catcher of the SMTP sink charm, which knows nothing of Juju.

`settings` says what an operator may configure, `server` is the SMTP server's process, `messages`
what it keeps, `results` how actions show that, and `state` the files through which these talk to
each other. The package `unit_service` runs the server.
"""
