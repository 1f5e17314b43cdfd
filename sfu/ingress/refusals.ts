import type { Refusal } from './pipeline-types.ts'

/** The refusals, each with what to change at the encoder. */
export const refusals = {
  bFrames: (pid: number): Refusal => ({
    code: 'b_frames',
    message:
      'The video has B-frames, which browsers cannot play over WebRTC. Switch them off in the encoder: x264 `bframes=0` or `tune=zerolatency`, ffmpeg `-bf 0`, OBS "tune zerolatency" or "Max B-frames 0".',
    pid,
  }),
  interlaced: (pid: number): Refusal => ({
    code: 'interlaced',
    message:
      'The video is interlaced, which browsers cannot play. Send progressive pictures: set the camera or encoder to a progressive mode (1080p, 720p), or deinterlace before encoding (ffmpeg `-vf yadif`).',
    pid,
  }),
  unsupportedFormat: (pid: number, profile: string): Refusal => ({
    code: 'unsupported_format',
    message: `The video is H.264 ${profile}, which browsers cannot decode. Encode 4:2:0 at 8 bits in Baseline, Main or High profile (ffmpeg \`-pix_fmt yuv420p -profile:v high\`).`,
    pid,
  }),
  unsupportedVideo: (pid: number, codec: string): Refusal => ({
    code: 'unsupported_video',
    message: `The video is ${codec}; only H.264 can be forwarded to browsers. Set the encoder to H.264 (AVC), for example ffmpeg \`-c:v libx264 -tune zerolatency\`.`,
    pid,
  }),
  noKeyframe: (pid: number): Refusal => ({
    code: 'no_keyframe',
    message:
      'No keyframe (IDR picture with SPS and PPS) arrives, so no viewer could start. Set a keyframe interval of 2 s or less, switch intra refresh off, and repeat the headers: x264 `keyint=60:repeat-headers=1`, without `intra-refresh`.',
    pid,
  }),
  keyframesLost: (pid: number): Refusal => ({
    code: 'keyframes_lost',
    message:
      'Packets are lost between the sender and the server, and no keyframe arrived whole, so no viewer could start. Lower the bitrate, add a link, or choose a class with a longer recovery buffer. Keyframes are the largest pictures and suffer first; if none arrives without loss either, set a keyframe interval of 2 s or less: x264 `keyint=60:repeat-headers=1`.',
    pid,
  }),
  noMedia: (): Refusal => ({
    code: 'no_media',
    message:
      'Data arrives, but no video or sound in it: not an MPEG transport stream, or one whose program (PAT/PMT) lists nothing that is sent. Check that the sender muxes MPEG-TS (ffmpeg `-f mpegts`) with H.264 video.',
    pid: null,
  }),
  scrambled: (pid: number): Refusal => ({
    code: 'scrambled',
    message:
      'The transport stream is scrambled (conditional access, BISS), so nobody can watch it. Switch scrambling off in the multiplexer; RIST encrypts the way to this server.',
    pid,
  }),
  audioUnsupported: (pid: number, codec: string): Refusal => ({
    code: 'audio_unsupported',
    message: `The sound is left out: it is ${codec}. Send Opus (best) or AAC in ADTS, mono or stereo.`,
    pid,
  }),
  audioLatm: (pid: number): Refusal => ({
    code: 'audio_latm',
    message:
      'The sound is left out: it is AAC in LATM. Send AAC in ADTS (in ffmpeg leave out `-mpegts_flags latm`), or Opus.',
    pid,
  }),
} as const
