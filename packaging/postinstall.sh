#!/bin/sh
# dpkg passes "configure" and the version that was there before, if any; rpm the number of versions that are now there.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "${1:-}:${2:-}" in
  configure:|1:) systemctl enable --now endpoint_exporter.service ;;
  *) systemctl try-restart endpoint_exporter.service ;; # an upgrade leaves it to the administrator whether it runs
esac
