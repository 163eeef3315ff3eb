#!/bin/sh
# dpkg passes "install" and the version that was removed, but not purged, before. It passes that version to postinstall.sh as
# if it were there still: this file tells.
set -e
[ -d /run/systemd/system ] || exit 0
[ "${1:-}" != install ] || [ -z "${2:-}" ] || : >/run/endpoint_exporter.again
