#!/usr/bin/env bash
# The ladder alone: one ffmpeg command, one decode, all rungs, the same rate control and key frames.
#   ladder.sh usual|same SOURCE OUT GOP_FRAMES SEGMENT_FRAMES RUNG...
# where RUNG is WIDTHxHEIGHT:CRF:MAXRATE:BUFSIZE:PRESET. `usual` is what a person writes; `same` also
# tells x264 the rest of what Magpie tells it: bytes that do not depend on the processor, I pictures
# at scene cuts. In both, x264 has as many threads as it likes.
set -euo pipefail
settings=$1 source=$2 out=$3 gop=$4 segment=$5
shift 5
mkdir -p "$out"
case $settings in
usual) x264=(-g "$gop" -keyint_min "$gop" -sc_threshold 0) ;;
same) x264=(-forced-idr 1 -x264-params
    "keyint=infinite:min-keyint=100000:force-cfr=1:stitchable=1:cpu-independent=1:vbv-init=0.7:zones=0,0,b=1.4") ;;
*) echo "ladder.sh: settings are usual or same, not $settings" >&2 && exit 2 ;;
esac
filters="[0:v]split=$#"
for ((i = 0; i < $#; i++)); do filters+="[v$i]"; done
maps=()
i=0
for rung in "$@"; do
    IFS=: read -r size crf maxrate bufsize preset <<<"$rung"
    filters+=";[v$i]scale=${size/x/:}:flags=lanczos,format=yuv420p,setsar=1[o$i]"
    maps+=(-map "[o$i]" -c:v libx264 -preset "$preset" -crf "$crf" -maxrate "$maxrate" -bufsize "$bufsize"
        "${x264[@]}" -force_key_frames "expr:not(mod(mod(n,$segment),$gop))"
        -flags +cgop "$out/$i.mp4")
    i=$((i + 1))
done
exec ffmpeg -nostdin -y -loglevel error -i "$source" -filter_complex "$filters" "${maps[@]}"
