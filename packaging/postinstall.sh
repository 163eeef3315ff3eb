#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable endpoint_exporter.service
  systemctl restart endpoint_exporter.service
fi
