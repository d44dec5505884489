# Sourced, with $python and $node: the machine's Node.js and npm, or those from PyPI, pinned, in the folder $node.
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
	if [ ! -f "$node/ready" ]; then
		echo "installing Node.js into $node, as this machine has none: once"
		rm -rf "$node"
		"$python" -m venv "$node"
		"$node/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$(dirname "$0")/node.txt"
		touch "$node/ready"
	fi
	PATH=$(cd "$node/bin" && pwd):$PATH
	export PATH
fi
