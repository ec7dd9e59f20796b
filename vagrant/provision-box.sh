#!/bin/sh
# Makes a router of the box, and sets dpi up on it.  May be run again.
set -eu
export DEBIAN_FRONTEND=noninteractive
printf 'net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n' > /etc/sysctl.d/60-router.conf
sysctl -q --system
apt-get update -qq
apt-get install -y -qq make git python3 >/dev/null
make -C /opt/dpi setup
ln -sf /opt/dpi/.venv/bin/dpi /usr/local/bin/dpi
/usr/local/bin/dpi doctor || true
