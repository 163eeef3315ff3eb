#!/bin/sh
# dpkg passes "configure" and the version that was configured last, if any, be it removed since or not; rpm the number of
# versions that are now there.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
what=${1:-}:${2:-}
[ ! -e /run/endpoint_exporter.again ] || what=again
rm -f /run/endpoint_exporter.again
case $what in
  configure:|1:) systemctl enable --now endpoint_exporter.service ;;
  again|abort-remove:*) # removal has stopped it, and left it enabled or not, as the administrator had it
    ! systemctl is-enabled --quiet endpoint_exporter.service || systemctl start endpoint_exporter.service ;;
  *) systemctl try-restart endpoint_exporter.service ;; # an upgrade leaves it to the administrator whether it runs
esac
