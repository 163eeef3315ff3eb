#!/bin/sh
# dpkg passes "remove" or "upgrade", rpm the number of versions that stay: an upgrade keeps the service. What dpkg removes
# may come back as it was, until it is purged; rpm knows no such thing.
set -e
[ -d /run/systemd/system ] || exit 0
case "${1:-}" in
  remove) systemctl stop endpoint_exporter.service ;;
  0) systemctl disable --now endpoint_exporter.service ;;
esac
