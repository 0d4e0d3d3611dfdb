# A hook command on a charm's PATH: it hands its command line to the controller.
#
# The controller writes it under the name of each hook command, behind a line that starts perl. A
# hook runs dozens of them, and perl without modules starts in a fifth of Python's time; so there
# is no `use` here. The messages are those of wire.py.

my $context = $ENV{JUJU_CONTEXT_ID};
my ($address) = ($ENV{JUJU_AGENT_SOCKET_ADDRESS} // '') =~ /(.+)/s;
fail('JUJU_CONTEXT_ID not set') unless length $context and length $address;

# 1 and 1 are AF_UNIX and SOCK_STREAM.
my $controller;
socket($controller, 1, 1, 0) and connect($controller, endpoint($address))
    or fail("cannot reach the controller: $!");
select($controller);
$| = 1;

my ($name) = $0 =~ m{([^/]+)\z};
ask($context, readlink('/proc/self/cwd') // folder(), $name, @ARGV);
my @answer = answer();
unless (@answer) {
    # The command reads its standard input.
    local $/;
    ask(<STDIN> // '');
    @answer = answer();
}
my ($code, $output, $problem) = @answer;
print STDOUT $output;
print STDERR $problem;
close STDOUT or fail("cannot write: $!");
exit $code;

sub endpoint {
    my ($path) = @_;
    return pack('S a*', 1, $path) if $^O eq 'linux';
    require Socket;
    return Socket::pack_sockaddr_un($path);
}

sub folder {
    require Cwd;
    return Cwd::getcwd();
}

sub ask {
    local $SIG{PIPE} = 'IGNORE';
    print pack('Q> (Q>/a*)*', scalar @_, @_) or fail("cannot ask the controller: $!");
}

sub answer {
    my $count = number();
    return map { take(number()) } 1 .. $count;
}

sub number {
    return unpack('Q>', take(8));
}

sub take {
    my ($size) = @_;
    my $data = '';
    (read($controller, $data, $size) // 0) == $size
        or fail('the controller ended before it answered');
    return $data;
}

sub fail {
    print STDERR "ERROR $_[0]\n";
    exit 1;
}
