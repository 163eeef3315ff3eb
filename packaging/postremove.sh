#!/bin/sh
set -e
if [ "${1:-}" = purge ]; then # systemctl disables no unit that is gone
  rm -f /etc/systemd/system/multi-user.target.wants/endpoint_exporter.service
fi
[ -d /run/systemd/system ] || exit 0
rm -f /run/endpoint_exporter.again # of an installation that was taken back
systemctl daemon-reload
