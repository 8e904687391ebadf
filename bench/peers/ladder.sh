#!/usr/bin/env bash
# The ladder alone: one ffmpeg command, one decode, all rungs, the same x264 settings and keyframes.
#   ladder.sh SOURCE OUT GOP_FRAMES SEGMENT_SECONDS RUNG...
# where RUNG is WIDTHxHEIGHT:CRF:MAXRATE:BUFSIZE:PRESET.
set -euo pipefail
source=$1 out=$2 gop=$3 segment=$4
shift 4
mkdir -p "$out"
filters="[0:v]split=$#"
for ((i = 0; i < $#; i++)); do filters+="[v$i]"; done
maps=()
i=0
for rung in "$@"; do
    IFS=: read -r size crf maxrate bufsize preset <<<"$rung"
    filters+=";[v$i]scale=${size/x/:}:flags=lanczos,format=yuv420p,setsar=1[o$i]"
    maps+=(-map "[o$i]" -c:v libx264 -preset "$preset" -crf "$crf" -maxrate "$maxrate" -bufsize "$bufsize"
        -g "$gop" -keyint_min "$gop" -force_key_frames "expr:gte(t,n_forced*$segment)" -sc_threshold 0
        -flags +cgop "$out/$i.mp4")
    i=$((i + 1))
done
exec ffmpeg -nostdin -y -loglevel error -i "$source" -filter_complex "$filters" "${maps[@]}"
