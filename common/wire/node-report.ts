import { z } from 'zod'
import { linkIdSchema } from './ids.ts'
import { updateStateSchema } from './release.ts'

/*
 * What a device tells about itself over the node's channel. Each section is sent whole when something in it changes, and
 * takes the place of the section before. A hub takes sections of newer agents too: unknown fields are left out.
 */

const name = z.string().max(200)
const unixMs = z.number().int().min(0)

/** How the interface reaches the world. */
export const interfaceSchema = z.object({
  name: z.string().max(64),
  kind: z.enum(['wired', 'wifi', 'cellular', 'vpn', 'other']),
  /** Whether there is a cable, an association, a bearer. */
  carrier: z.boolean(),
  mac: z.string().max(32).nullable(),
  addresses: z.array(z.string().max(64)).max(16),
  gateway: z.string().max(64).nullable(),
  mtu: z.number().int().nullable(),
  /** The uplink that it is, if it is one. */
  link_id: linkIdSchema.nullable(),
  /** Stable across re-enumeration: the path below /sys/devices. */
  path: name.nullable(),
  modem: z
    .object({
      operator: name.nullable(),
      technology: z.string().max(40).nullable(),
      /** 0 to 100, as ModemManager says. */
      signal_percent: z.number().min(0).max(100).nullable(),
      state: z.string().max(40),
      model: name.nullable(),
    })
    .nullable(),
})

export const mediaInputSchema = z.object({
  /** `rtsp`, `srt` and `file` are those that the configuration names: nobody looks for them. */
  kind: z.enum(['v4l2', 'alsa', 'rtsp', 'srt', 'file', 'test-card']),
  /** What the configuration names: `/dev/v4l/by-id/...`, `hw:CARD=C920,DEV=0`, an address, a path. */
  device: z.string().max(500),
  label: name,
  formats: z
    .array(
      z.object({
        format: z.enum(['raw', 'mjpeg', 'h264', 'hevc', 'pcm', 'other']),
        width: z.number().int().nullable(),
        height: z.number().int().nullable(),
        /** Pictures a second; of sound, samples. */
        rates: z.array(z.number()).max(16),
      }),
    )
    .max(64),
})

export const encoderFactSchema = z.object({
  /** GStreamer's element: `x264enc`, `v4l2h264enc`, `mpph264enc`, `vaapih264enc`, `vah264enc`. */
  element: z.string().max(64),
  /** Whether it encoded a second of pictures, and why not. */
  works: z.boolean(),
  reason: name.nullable(),
  /** Pictures a second that it can do at 1280x720; null where nobody measured. */
  fps_720p: z.number().min(0).nullable(),
})

export const nodeReportSchema = z.object({
  agent: z
    .object({
      version: z.string().max(64),
      arch: z.string().max(16),
      os: name,
      model: name.nullable(),
      kernel: name,
      boot_id: z.string().max(64),
      started_at: unixMs,
    })
    .optional(),
  interfaces: z.array(interfaceSchema).max(64).optional(),
  inputs: z.array(mediaInputSchema).max(64).optional(),
  encoders: z.array(encoderFactSchema).max(16).optional(),
  system: z
    .object({
      /** Share of all cores, 0 to 1, over the last interval. */
      cpu: z.number().min(0).max(1),
      cores: z.number().int().min(1),
      memory_mb: z.object({ total: z.number(), available: z.number() }),
      disk_mb: z.object({ total: z.number(), available: z.number() }),
      temperature_c: z.number().nullable(),
      /** Whether the kernel slows the cores because of heat or power. */
      throttled: z.boolean().nullable(),
      load_1m: z.number(),
    })
    .optional(),
  clock: z
    .object({
      /** The device's clock minus the hub's, ms. */
      ahead_ms: z.number(),
      /** Half the shortest round trip by which it was measured, ms. */
      error_ms: z.number().min(0),
      synchronised: z.boolean().nullable(),
    })
    .optional(),
  position: z
    .object({
      latitude: z.number().min(-90).max(90),
      longitude: z.number().min(-180).max(180),
      altitude_m: z.number().nullable(),
      speed_mps: z.number().nullable(),
      at: unixMs,
    })
    .nullable()
    .optional(),
  /** IEEE 1588 and queueing, for `deterministic-wired`. */
  timing: z
    .array(
      z.object({
        interface: z.string().max(64),
        ptp_device: z.string().max(64).nullable(),
        hardware_timestamps: z.boolean(),
        synchronised: z.boolean(),
        offset_ns: z.number().nullable(),
        qdisc: z.string().max(64).nullable(),
        pacing: z.enum(['txtime', 'fq', 'agent']),
      }),
    )
    .max(64)
    .optional(),
  /** How the agent gets to another release of itself. */
  update: updateStateSchema.optional(),
})
/** Only the sections that changed. */
export type NodeReport = z.output<typeof nodeReportSchema>

/** How one broadcast of the device goes, once a second while it is on. */
export const broadcastStatusSchema = z.object({
  stream_id: z.string().max(64),
  /** `off` by configuration; `starting`; `live`; `no_input`: no camera; `no_contract`; `failed`. */
  state: z.enum(['off', 'starting', 'live', 'no_input', 'no_contract', 'failed']),
  reason: z.string().max(500).nullable(),
  since: unixMs,
  contract_id: z.string().max(64).nullable(),
  encoder: z.string().max(64).nullable(),
  target_kbps: z.number().nullable(),
  sent_kbps: z.number(),
  fps: z.number().nullable(),
  /** Renditions that were given up for want of capacity: true is sent. */
  renditions: z.array(z.boolean()).max(4),
  encoder_restarts: z.number().int(),
  sender_restarts: z.number().int(),
  backlog_mb: z.number(),
  links: z
    .array(
      z.object({
        link_id: linkIdSchema,
        interface: z.string().max(64).nullable(),
        via: z.string().max(16),
        /** `carrying`, `probing` before it carries again, `marginal`: as probing, and again and again, `dead`. */
        state: z.enum(['carrying', 'probing', 'marginal', 'dead', 'idle']),
        weight: z.number(),
        kbps: z.number(),
        rtt_ms: z.number().nullable(),
        loss: z.number().min(0).max(1),
        capacity_kbps: z.number().nullable(),
      }),
    )
    .max(16),
})
export type BroadcastStatus = z.output<typeof broadcastStatusSchema>
