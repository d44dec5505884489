# listening SECONDS PYTHON PORT PID LOG: to be sourced. Waits until a server accepts connections; one that ends, or takes longer,
# fails.
listening() {
	tries=0
	until "$2" -c "import socket; socket.create_connection(('127.0.0.1', $3), 1)" 2>/dev/null; do
		tries=$((tries + 1))
		if [ "$tries" -gt $(($1 * 2)) ] || ! kill -0 "$4" 2>/dev/null; then
			cat "$5" >&2
			exit 1
		fi
		sleep 0.5
	done
}
