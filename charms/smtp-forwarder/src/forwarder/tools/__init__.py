"""The tools of a machine's users: they hand mail to the forwarder, and tell of the relay.

`sendmail` and `mailq` are what programs have called by these names for decades, `smtp_send` is for
scripts, `smtp_settings` shows the relay, and `changed` tells others when it changes. `told` is
what the charm says of the forwarder, `composition` makes a message of what a program gives,
`submission` hands it over, `streams` are the standard ones, and `failures` are the ways in which
all of this ends badly.
"""
