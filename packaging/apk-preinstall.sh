#!/bin/sh
# Creates the account of the service. It has no home and no shell.
set -e
getent group endpoint_exporter >/dev/null || addgroup -S endpoint_exporter
getent passwd endpoint_exporter >/dev/null ||
  adduser -S -D -H -h /dev/null -s /sbin/nologin -G endpoint_exporter -g endpoint_exporter endpoint_exporter
