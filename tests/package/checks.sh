# For the scripts beside this: checks that are counted.

passed=0
failed=0
said=$(mktemp)

# check WHAT COMMAND...: what it prints is shown if it fails. The first command of a
# function that fails ends it: "!" hides a failure from the shell, not() doesn't. It can't
# change variables.
check() {
	what=$1
	shift
	start=$(date +%s)
	set +e
	(
		set -e
		"$@"
	) >"$said" 2>&1
	status=$?
	set -e
	if [ $status -eq 0 ]; then
		passed=$((passed + 1))
		echo "passed: $what, $(($(date +%s) - start)) s"
	else
		failed=$((failed + 1))
		tail -n 60 "$said" | sed 's/^/  /'
		echo "FAILED: $what"
	fi
}

not() {
	if "$@"; then
		return 1
	fi
}

# The same for a step without which there is no going on.
must() {
	before=$failed
	check "$@"
	[ "$failed" -eq "$before" ] || end_checks
}

end_checks() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

# Nothing is started while packages are installed.
no_services() {
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
}

apt() {
	apt-get -y -qq --no-install-recommends "$@"
}

# Runs the script again in a network of its own that has only loopback.
alone() {
	unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
}
