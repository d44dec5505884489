# copy_tree FOLDER: to be sourced. Copies what git tracks, and what is new and not yet added, but not what git ignores: the tools
# and builds of hundreds of megabytes that a clean clone has not either.
copy_tree() {
	rm -rf "$1" && mkdir -p "$1"
	(git ls-files --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './.*/*') |
		while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done | tar -cf - -T - | tar -xf - -C "$1"
}
