# sh fetch-rabbit.sh DEST: RabbitMQ and Erlang from the distribution's own packages, unpacked into DEST. No root, nothing
# installed, about 34 MB. Safe to run twice at once: whoever is second throws its copy away.
set -eu
DEST=$1
[ -f "$DEST/.complete" ] && exit 0
. "$(dirname "$0")/apt.sh"

get() {
  P=$(apt-cache $APT $U depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances rabbitmq-server 2>/dev/null | grep '^erlang-[a-z]' | sort -u)
  [ -n "$P" ] && (cd "$W/debs" && rm -f ./*.deb && apt-get -qq $APT $U download rabbitmq-server $P)
}
with_lists get || { echo "apt could not provide rabbitmq-server" >&2; exit 4; }
for d in "$W"/debs/*.deb; do dpkg-deb -x "$d" "$W/root"; done

# Debian's `erl` has ROOTDIR=/usr/lib/erlang built in, also when ERL_ROOTDIR says otherwise: ours asks where it lies.
R=$W/root/usr/lib/erlang
V=$(basename "$R"/erts-*)
cat >"$R/bin/erl" <<X
#!/bin/sh
ROOTDIR=\$(cd "\$(dirname "\$(readlink -f "\$0")")/.." && pwd)
BINDIR=\$ROOTDIR/$V/bin EMU=beam PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
for d in "\$ROOTDIR"/../*-linux-gnu* "\$ROOTDIR"/../../../lib/*-linux-gnu*; do
  [ -d "\$d" ] && LD_LIBRARY_PATH=\$d\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} && export LD_LIBRARY_PATH
done
exec "\$BINDIR/erlexec" "\$@"
X
# A link, not a copy: RabbitMQ starts epmd through $BINDIR/erl, and a copy would compute the wrong ROOTDIR.
ln -sfn ../../bin/erl "$R/$V/bin/erl"

# Only a system without python3 and ca-certificates lacks it; the rest that Erlang links to is in every Debian.
if ldd "$R"/lib/crypto-*/priv/lib/crypto.so | grep -q 'libcrypto.so.3 => not found'; then
  mkdir "$W/libs"
  (cd "$W/libs" && apt-get -qq $APT $U download libssl3)
  dpkg-deb -x "$W"/libs/*.deb "$W/root"
fi
"$R/bin/erl" -noshell -eval '{module,_}=code:load_file(crypto),halt().' >/dev/null || {
  echo "Erlang doesn't run from the cache (a noexec mount, or missing libraries):" >&2
  ldd "$R/$V/bin/beam.smp" | grep 'not found' >&2
  exit 5
}
rm -rf "$W/root/etc" "$W/root/var" "$W/root/lib/systemd" "$W/root/usr/share"
touch "$W/root/.complete"
mv -T "$W/root" "$DEST" 2>/dev/null || [ -f "$DEST/.complete" ]
