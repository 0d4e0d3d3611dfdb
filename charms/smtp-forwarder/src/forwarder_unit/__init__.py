"""What the charm does for one unit, apart from Juju: its forwarder and its machine.

`options` says what an operator may configure, `configuration` writes what the forwarder and the
tools are told, `installation` puts the tools in their places, `machine` makes all of it so,
`logins` keeps a password for each relation, `model_certificate` gets a certificate of the model's
authority, and `waiting` shows the queue in statuses and actions.
"""
