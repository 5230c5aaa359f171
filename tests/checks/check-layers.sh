#!/bin/sh
# Each folder of lib is a layer: it includes itself and those before it in this list, which
# doc/HACKING explains. What is not in the list, or an include that names no folder, fails; so does
# a circle of headers; and a line that names what is built on its layer.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

layers='ground values calls results options wire job stream store watchers run processes ranks'
# It may be missing: it has its place before it comes.
awaited=store

cd "$TOP_SRCDIR/lib"
said=$(mktemp)
trap 'rm -f "$said"' EXIT

find . -name '*.[ch]' | sed 's,^\./,,' | while read -r file; do
    folder=${file%/*}
    case " $layers " in
        *" $folder "*) continue ;;
    esac
    case $file in
        executor.c | parallel.[ch]) ;; # the door, above all layers
        *) echo "lib/$file is in no folder of the list of layers" ;;
    esac
done >>"$said"

for layer in $layers; do
    if [ "$layer" = $awaited ] && [ ! -d $awaited ]; then
        echo "lib/$awaited is not there yet: nothing to check in it"
        continue
    fi
    ls "$layer"/*.[ch] >/dev/null 2>&1 || fail "there is no source in lib/$layer, which is a layer"
    there="${there-} $layer"
done

# includes OPENING LAYER: a line "file:included" for each of the layer's includes that open so.
directive='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
includes()
{
    grep -HoE "$directive$1[^\">]*" "$2"/*.[ch] | sed "s/:[^\"<]*[\"<]/:/"
}

# What the build writes: the one list of all backends, for the registry.
is_written()
{
    [ "$1 $2" = 'options/backends.c backends.inc' ]
}

below=
for layer in $there; do
    below="$below $layer"
    includes '"' "$layer" | while IFS=: read -r file included; do
        ! is_written "$file" "$included" || continue
        case $included in
            */*) ;;
            *) echo "lib/$file includes \"$included\", which names no folder"; continue ;;
        esac
        case " $below " in
            *" ${included%%/*} "*) ;;
            *) echo "lib/$file includes \"$included\", of a layer above it" ;;
        esac
    done >>"$said"
    includes '<' "$layer" | while IFS=: read -r file included; do
        case " $layers " in
            *" ${included%%/*} "*) echo "lib/$file includes <$included>, and not \"$included\"" ;;
        esac
    done >>"$said"
done

# tsort complains of circles, of headers here: each stands before those that include it.
for layer in $there; do
    includes '"' "$layer" | grep '\.h:' | sed 's/:/ /'
done | tsort 2>&1 >/dev/null | sed 's/^tsort: /a circle: /' >>"$said"

# names FILE WORDS: lines that name what is built on the file's layer, in names and in comments. A
# line with a sentence for users may.
names()
{
    grep -HnE "(^|[^[:alpha:]])($2)([^[:alpha:]]|\$)" "$1" | grep -v '"' |
        sed 's,^,lib/,' >>"$said"
}

# may_name_ranks FILE: the public header names the option and the record, and so do those that hold
# them; what goes to other ranks is made into bytes here.
may_name_ranks()
{
    case $1 in
        results/hosts.[ch] | results/results.h | results/read.c) ;;
        options/plan.[ch] | options/backends.c) ;;
        wire/wire.h | wire/wire_check.c | wire/bundle.h | wire/bundle_calls.c) ;;
        *) return 1 ;;
    esac
}

processes='[Ff]orkservers?|[Mm]ailbox(es)?|[Pp]rox(y|ies)|[Ww]orker[ _](main|process(es)?)'
ranks='[Rr]anks?|RANKS?|mpi|MPI'

for layer in $there; do
    [ "$layer" != ranks ] || continue
    for file in "$layer"/*.[ch]; do
        [ "$layer" = processes ] || names "$file" "$processes"
        may_name_ranks "$file" || names "$file" "$ranks"
    done
done

[ ! -s "$said" ] || { cat "$said"; fail 'lib is not in layers'; }
