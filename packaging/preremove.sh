#!/bin/sh
set -e
# dpkg passes "remove" or "upgrade", rpm the number of versions that stay: an upgrade keeps the service.
case "${1:-}" in
  upgrade|1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now endpoint_exporter.service
fi
