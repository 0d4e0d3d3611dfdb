# What a command says to the controller, and hears from it; the messages are those of wire.py.
#
# Hooks and tests run such commands by the thousand, and perl without modules starts in a fifth of
# Python's time; so there is no `use` here.

our $controller;

sub reach {
    my ($path) = @_;
    # 1 and 1 are AF_UNIX and SOCK_STREAM.
    socket($controller, 1, 1, 0) and connect($controller, endpoint($path)) or return 0;
    select($controller);
    $| = 1;
    return 1;
}

sub finish {
    my ($code, $output, $problem) = @_;
    print STDOUT $output;
    print STDERR $problem;
    close STDOUT or fail("cannot write: $!");
    exit $code;
}

sub endpoint {
    my ($path) = @_;
    return pack('S a*', 1, $path) if $^O eq 'linux';
    require Socket;
    return Socket::pack_sockaddr_un($path);
}

sub folder {
    my $linked = readlink('/proc/self/cwd');
    return $linked if defined $linked;
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

sub read_to_end {
    1 while read $controller, my $rest, 4096;
    return;
}

sub fail {
    print STDERR "ERROR $_[0]\n";
    exit 1;
}

1;
