#!/usr/bin/env bash
# What a person would script for the same output with ffmpeg alone: one decode for the ladder, sprite
# tiles and picture checks, two-pass loudness, then DASH and HLS from the same segments.
#   ladder_and_package.sh SOURCE OUT GOP_FRAMES SEGMENT_SECONDS TILE_SECONDS RUNG...
# where RUNG is WIDTHxHEIGHT:CRF:MAXRATE:BUFSIZE:PRESET. Uses all cores, as ffmpeg does by itself.
set -euo pipefail
source=$1 out=$2 gop=$3 segment=$4 tile=$5
shift 5
mkdir -p "$out"
# The muxer wants one aspect for all rungs, and rounding to even sizes makes small ones differ.
top=${!#}
aspect=${top%%:*}
aspect=${aspect/x//}

filters="[0:v]split=$(($# + 2))"
for ((i = 0; i < $# + 2; i++)); do filters+="[v$i]"; done
maps=()
inputs=()
i=0
for rung in "$@"; do
    IFS=: read -r size crf maxrate bufsize preset <<<"$rung"
    filters+=";[v$i]scale=${size/x/:}:flags=lanczos,format=yuv420p,setdar=${aspect}[o$i]"
    maps+=(-map "[o$i]" -c:v libx264 -preset "$preset" -crf "$crf" -maxrate "$maxrate" -bufsize "$bufsize"
        -g "$gop" -keyint_min "$gop" -force_key_frames "expr:gte(t,n_forced*$segment)" -sc_threshold 0
        -flags +cgop "$out/$i.mp4")
    inputs+=("$out/$i.mp4")
    i=$((i + 1))
done
filters+=";[v$i]fps=1/$tile,scale=128:72:force_original_aspect_ratio=decrease,pad=128:72:-1:-1,tile=10x10[tiles]"
filters+=";[v$((i + 1))]blackdetect=d=10,freezedetect=d=20,signalstats[checked]"
ffmpeg -nostdin -y -loglevel error -i "$source" -filter_complex "$filters" "${maps[@]}" \
    -map "[tiles]" "$out/sprites-%03d.jpg" -map "[checked]" -f null - 2>"$out/checks.log"

mux=()
for file in "${inputs[@]}"; do mux+=(-i "$file"); done
sets="id=0,streams=v"
if ffprobe -v error -select_streams a:0 -show_entries stream=index -of csv=p=0 "$source" | grep -q .; then
    # One pass to measure (integrated loudness and true peak), one to apply the gain and encode.
    ffmpeg -nostdin -i "$source" -map a:0 -af ebur128=peak=true -f null - 2>"$out/loudness.log"
    measured=$(sed -n 's/^ *I: *\(-\{0,1\}[0-9.]*\) LUFS.*/\1/p' "$out/loudness.log" | tail -n 1)
    gain=$(awk -v i="${measured:--23}" 'BEGIN { print -23 - i }')
    ffmpeg -nostdin -y -loglevel error -i "$source" -map a:0 -af "volume=${gain}dB" -ac 2 -ar 48000 -c:a aac -b:a 128k "$out/audio.mp4"
    mux+=(-i "$out/audio.mp4")
    sets+=" id=1,streams=a"
    inputs+=("$out/audio.mp4")
fi
maps=()
for ((i = 0; i < ${#inputs[@]}; i++)); do maps+=(-map "$i"); done
ffmpeg -nostdin -y -loglevel error "${mux[@]}" "${maps[@]}" -c copy -f dash -seg_duration "$segment" \
    -adaptation_sets "$sets" -hls_playlist 1 "$out/manifest.mpd"
