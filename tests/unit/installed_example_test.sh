#!/bin/sh
# installed_example_test.sh BUILD SOURCE CC [FLAG...] - libbehalf as a third party meets it: installed into an
# empty prefix, found by pkg-config, and the example compiled against nothing but that.
set -eu

build=$1 source=$2 compiler=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

DESTDIR=$folder cmake --install "$build" --component library > "$folder/install.log" || {
    cat "$folder/install.log"
    exit 1
}
description=$(find "$folder" -name behalf.pc)
[ -n "$description" ] || { echo "behalf.pc was not installed"; exit 1; }
for header in client.h message.h messages.def records.def codes.def; do
    [ -n "$(find "$folder" -path "*/include/behalf/$header")" ] || { echo "$header was not installed"; exit 1; }
done

PKG_CONFIG_PATH=$(dirname "$description")
export PKG_CONFIG_PATH
cp "$source/proto/example_agent.c" "$folder"
cd "$folder"
# shellcheck disable=SC2046 # the flags are to be split
"$compiler" "$@" -std=c17 -Wall -Wextra -Wpedantic -Werror example_agent.c -o example_agent \
    $(pkg-config --cflags --libs behalf)

# It runs as far as it can without a broker: a bad endpoint is refused in words.
if output=$(./example_agent nonsense 2>&1); then
    echo "the example accepted a bad endpoint"
    exit 1
fi
case $output in
*"not an endpoint"*) ;;
*)
    echo "the example said: $output"
    exit 1
    ;;
esac
