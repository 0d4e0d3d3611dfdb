# A hook command on a charm's PATH: it hands its command line to the controller.
#
# The controller writes it under the name of each hook command, behind a line that starts perl, and
# with client.pl behind it.

my $context = $ENV{JUJU_CONTEXT_ID};
my ($address) = ($ENV{JUJU_AGENT_SOCKET_ADDRESS} // '') =~ /(.+)/s;
fail('JUJU_CONTEXT_ID not set') unless length $context and length $address;
reach($address) or fail("cannot reach the controller: $!");

my ($name) = $0 =~ m{([^/]+)\z};
ask($context, folder(), $name, @ARGV);
my @answer = answer();
unless (@answer) {
    # The command reads its standard input.
    local $/;
    ask(<STDIN> // '');
    @answer = answer();
}
finish(@answer);
