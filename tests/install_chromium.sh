#!/bin/sh
# The browser tests drive Debian's Chromium; install it if it is missing and we may.
command -v chromium >/dev/null 2>&1 && exit 0
[ -n "$STUDIO_CHROMIUM" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "The browser tests need Chromium: install your system's package, or set STUDIO_CHROMIUM to its path." >&2
exit 0 # those tests say so again, and fail
