"""Measures what the forwarder passes on: ``python -m bench.forwarding``.

The same clients send the same mail to the same sink, once on their own and once through the
forwarder, aiosmtpd's own Proxy and Postfix, in turn. What counts are ratios in one run.
"""
