#!/bin/sh
# Each folder of lib is a layer: it includes itself and those before it in this list, which
# doc/HACKING explains. What is not in the list, or an include that names no folder, fails; so does
# a circle of headers; and a line that names what is built on its layer.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

layers='ground values calls results options wire job stream watchers run processes ranks'

cd "$TOP_SRCDIR/lib"
said=$(mktemp)
trap 'rm -f "$said"' EXIT

for folder in */; do
    folder=${folder%/}
    ls "$folder"/*.[ch] >/dev/null 2>&1 || continue # what a build left
    case " $layers " in
        *" $folder "*) ;;
        *) echo "lib/$folder is not in the list of layers" >>"$said" ;;
    esac
done

# includes LAYER: a line "file:folder" for each quoted include of a layer's files.
includes()
{
    grep -oE '^#include "[^"]*"' "$1"/*.[ch] | sed 's/#include "//; s/"$//'
}

below=
for layer in $layers; do
    [ -d "$layer" ] || fail "the list of layers names lib/$layer, which is not there"
    below="$below $layer"
    includes "$layer" | while IFS=: read -r file included; do
        case $included in
            backends.inc) continue ;;
            */*) ;;
            *) echo "lib/$file includes \"$included\", which names no folder"; continue ;;
        esac
        case " $below " in
            *" ${included%%/*} "*) ;;
            *) echo "lib/$file includes \"$included\", of a layer above it" ;;
        esac
    done >>"$said"
done

# tsort complains of circles, of headers here: each stands before those that include it.
for layer in $layers; do
    includes "$layer" | grep '\.h:' | sed 's/:/ /'
done | tsort 2>&1 >/dev/null | sed 's/^tsort: /a circle: /' >>"$said"

# names WORDS LAYER...: lines of the layers that name what is built on them, but in sentences for users.
names()
{
    words=$1
    shift
    for layer; do
        grep -nwE "$words" "$layer"/*.[ch] | grep -v '"' | sed 's,^,lib/,' >>"$said" || true
    done
}

# Options and records name ranks, as the public header does, and wire says what cannot go to one.
names 'ranks?|Ranks?' ground values calls job stream watchers run
names 'forkservers?|mailbox(es)?|prox(y|ies)|worker process(es)?' \
    ground values calls results options wire job stream watchers run

[ ! -s "$said" ] || { cat "$said"; fail 'lib is not in layers'; }
