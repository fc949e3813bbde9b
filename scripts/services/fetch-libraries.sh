# sh fetch-libraries.sh DEST PACKAGE...: shared libraries that mongod needs and this machine lacks, with what they need
# in turn, unpacked into DEST. No root, nothing installed.
set -eu
DEST=$1
shift
PACKAGES=$*
. "$(dirname "$0")/apt.sh"

# -s only simulates and needs no root: it lists what an installation would add here. The packages themselves are named
# too, for a machine where one is registered as installed but its file is gone.
get() {
  PLAN=$(apt-get $APT $U install -s --no-install-recommends $PACKAGES) || return 1
  NAMES=$(printf '%s\n' $PACKAGES $(printf '%s\n' "$PLAN" | awk '/^Inst/ { print $2 }') | sort -u)
  (cd "$W/debs" && rm -f ./*.deb && apt-get -qq $APT $U download $NAMES)
}
with_lists get || { echo "apt could not provide $PACKAGES" >&2; exit 4; }
for d in "$W"/debs/*.deb; do dpkg-deb -x "$d" "$W/root"; done
rm -rf "$W/root/etc" "$W/root/var" "$W/root/usr/share"
mv -T "$W/root" "$DEST" 2>/dev/null || [ -d "$DEST" ]
