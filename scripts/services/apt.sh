# Sourced: downloads Debian packages as an ordinary user, with apt's own signature checks, and changes nothing outside
# "$W", a scratch folder beside "$DEST". Expects DEST to be set. Defines APT (options), U (our own package lists, when
# the machine's are missing or stale) and with_lists.
for tool in apt-get apt-cache dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "$tool is missing (this step needs Debian or Ubuntu)" >&2; exit 3; }
done
case $DEST in *[[:space:]]*) echo "cache path must not contain white space" >&2; exit 2 ;; esac
mkdir -p "${DEST%/*}"
W=$(mktemp -d "${DEST%/*}/.part-XXXXXX")
trap 'rm -rf "$W"' EXIT
trap 'exit 1' INT TERM HUP
mkdir -p "$W/debs" "$W/root" "$W/state/lists/partial" "$W/cache/archives/partial"
APT="-o APT::Sandbox::User=$(id -un) -o Acquire::Languages=none -o Acquire::Retries=2"
APT="$APT -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
APT="$APT -o Dir::Cache=$W/cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
U=

# with_lists COMMAND: runs it with the machine's package lists, and if that fails once more with fresh ones of our own
# (48 MB, deleted again with $W).
with_lists() {
  "$@" 2>/dev/null && return 0
  U="-o Dir::State=$W/state -o Dir::State::status=/var/lib/dpkg/status"
  apt-get -qq $APT $U update && "$@"
}
