#!/bin/sh
# dpkg passes "remove" or "upgrade", rpm the number of versions that stay: an upgrade keeps the service.
set -e
case "${1:-}" in
  remove|0) ;;
  *) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now endpoint_exporter.service
